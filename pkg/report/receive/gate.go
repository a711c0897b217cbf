package receive

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/flowcontrol"

	"restartrules.dev/pkg/report"
)

// maxAtGate is how long a reporter waits for its handshake. Its attempt takes no longer than five seconds: who comes too
// late has cost as much as who comes in time, so a wait is short, and all others are sent away.
const maxAtGate = 2 * time.Second

// Gate lets reporters in no faster than their tokens can be looked at. A handshake costs more than all the rest of a
// report, and admission is served at the same port: when ten thousand reporters come at once, most of them must be sent
// away before it. Whoever doesn't say that it is a reporter passes.
type Gate struct {
	limit  flowcontrol.RateLimiter
	turned prometheus.Counter
}

// NewGate returns a Gate that counts in registry whom it sends away.
func NewGate(registry prometheus.Registerer) (*Gate, error) {
	g := &Gate{limit: flowcontrol.NewTokenBucketRateLimiter(reviewsPerSecond, reviewBurst),
		turned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "restartrules_report_connections_refused_total",
			Help: "Connections of reporters that were closed before the TLS handshake because too many came at once. They come back.",
		})}
	if err := registry.Register(g.turned); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return g, nil
}

// Hello is a tls.Config's GetConfigForClient. It has the client wait until it is its turn, or refuses it, and changes
// nothing of the configuration.
func (g *Gate) Hello(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !slices.Contains(hello.SupportedProtos, report.Protocol) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(hello.Context(), maxAtGate)
	defer cancel()
	if err := g.limit.Wait(ctx); err != nil { // at once, if it would take longer
		g.turned.Inc()
		return nil, errBusy
	}
	return nil, nil
}
