package admission

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

// ServerOptions says where Serve listens.
type ServerOptions struct {
	// Host is the address that the handlers are served at; empty means all.
	Host string
	// Port is the port that the handlers are served at, over TLS.
	Port int
	// MinTLSVersion is the oldest version of TLS that is spoken, as crypto/tls has it; 0: TLS 1.3.
	MinTLSVersion uint16
	// CertDir holds the certificate and its key. They are read again when they change.
	CertDir string
	// GetCertificate gives the certificate instead, if it is not nil. While it fails /readyz does.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Hello is asked before each TLS handshake, as a tls.Config's GetConfigForClient; nil: all are welcome.
	Hello func(*tls.ClientHelloInfo) (*tls.Config, error)
	// Ready fails as long as requests can't be answered; nil: never. /readyz fails then.
	Ready func() error
	// Registerer gets a metric that says when the certificate ends; nil: none.
	Registerer prometheus.Registerer
	// MetricsBindAddress is where /metrics is served, as plain HTTP; "0" turns it off.
	MetricsBindAddress string
	// HealthProbeBindAddress is where /healthz and /readyz are served, as plain HTTP.
	HealthProbeBindAddress string
	// ShutdownDelay is how long requests are still taken after the context has ended, while
	// /readyz fails already: the time that it takes until the API server sends them elsewhere.
	ShutdownDelay time.Duration
}

// Serve serves handlers by path until ctx ends, then for another ShutdownDelay, and returns when
// the last request has been answered. It needs nothing of an API server.
//
// /readyz succeeds while a TLS handshake with the server does.
func Serve(ctx context.Context, handlers map[string]http.Handler, opts ServerOptions) error {
	certs, err := newCertificate(opts)
	if err != nil {
		return err
	}
	metrics, err := metricsserver.NewServer(metricsserver.Options{BindAddress: opts.MetricsBindAddress}, nil, nil)
	if err != nil {
		return fmt.Errorf("metrics server: %w", err)
	}

	var draining atomic.Bool
	server := webhook.NewServer(webhook.Options{
		Host: opts.Host,
		Port: opts.Port,
		TLSOpts: []func(*tls.Config){func(config *tls.Config) {
			config.MinVersion = cmp.Or(opts.MinTLSVersion, tls.VersionTLS13)
			// The API server calls webhooks over HTTP/1.1 only.
			config.NextProtos = []string{"http/1.1"}
			config.GetCertificate = certs.get
			config.GetConfigForClient = opts.Hello
			// Otherwise the first answers on a connection are sent in pieces of a packet each.
			config.DynamicRecordSizingDisabled = true
		}},
	})
	for path, handler := range handlers {
		server.Register(path, closeWhile(&draining, handler))
	}
	ready := func(r *http.Request) error {
		if draining.Load() {
			return errors.New("shutting down")
		}
		if opts.Ready != nil {
			if err := opts.Ready(); err != nil {
				return err
			}
		}
		return server.StartedChecker()(r)
	}

	// Everything else outlives the webhook server, whose last requests may need it.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	others, stopOthers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOthers()

	group, failed := errgroup.WithContext(others)
	group.Go(func() error {
		defer stopOthers()
		if err := server.Start(serving); err != nil {
			return fmt.Errorf("webhook server: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		defer stopServing()
		select {
		case <-failed.Done():
			return nil
		case <-ctx.Done():
		}
		draining.Store(true)
		delay := time.NewTimer(opts.ShutdownDelay)
		defer delay.Stop()
		select {
		case <-failed.Done():
		case <-delay.C:
		}
		return nil
	})
	group.Go(func() error { return certs.watch(failed) })
	group.Go(func() error { return serveHealth(failed, opts.HealthProbeBindAddress, ready) })
	if metrics != nil {
		group.Go(func() error { return metrics.Start(failed) })
	}
	return group.Wait()
}

// closeWhile asks clients to close their connection after the answer while draining, so that none
// sends a request into a connection that is about to be closed.
func closeWhile(draining *atomic.Bool, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

// serveHealth serves the probes until ctx ends.
func serveHealth(ctx context.Context, address string, ready healthz.Checker) error {
	mux := http.NewServeMux()
	mux.Handle("/healthz", healthz.CheckHandler{Checker: healthz.Ping})
	mux.Handle("/readyz", healthz.CheckHandler{Checker: ready})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: bodyTimeout}

	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("health probe server: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("health probe server: %w", err)
	}
	return nil
}
