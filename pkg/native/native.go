// Package native finds out which restart rules a cluster applies itself, so that nothing is injected for
// them. It asks the API server, by a Pod that is not created, and looks at what every node runs; both change
// while a cluster is upgraded.
package native

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/pkg/compile"
)

const (
	// askAgain is how often the API server is asked again: it may have been upgraded.
	askAgain = 5 * time.Minute
	// askAgainSoon is when it is asked again if there was no answer.
	askAgainSoon = 5 * time.Second
	// askTimeout bounds one question.
	askTimeout = 10 * time.Second
	// settle is how long a change of a node waits for more: nodes come and go by the hundred.
	settle = 2 * time.Second
)

// Decision is what is known of the cluster.
type Decision struct {
	// Features are what API server and all nodes have.
	Features compile.Features
	// Why says for each feature what was decided it by, for people.
	Why map[string]string
}

// Detector keeps a Decision up to date. Its methods may be called by any number of goroutines.
type Detector struct {
	client    kubernetes.Interface
	namespace string
	log       logr.Logger
	decision  atomic.Pointer[Decision]
	metrics   *metrics
}

// ErrUndecided says that the cluster has not been looked at yet.
var ErrUndecided = errors.New("what the cluster does itself has not been found out yet")

// New returns a Detector that asks by dry runs in this namespace, where no webhook of ours may answer. It
// logs each change of its decision, and shows it in its metrics.
func New(client kubernetes.Interface, namespace string, log logr.Logger, registry Registerer) (*Detector, error) {
	metrics, err := newMetrics(registry)
	if err != nil {
		return nil, err
	}
	return &Detector{client: client, namespace: namespace, log: log, metrics: metrics}, nil
}

// Features are those of the latest decision; before there is one, none.
func (d *Detector) Features() compile.Features {
	if decision := d.decision.Load(); decision != nil {
		return decision.Features
	}
	return compile.Features{}
}

// Ready is nil when there is a decision, otherwise ErrUndecided.
func (d *Detector) Ready() error {
	if d.decision.Load() == nil {
		return ErrUndecided
	}
	return nil
}

// Run decides, again whenever a node changes and now and then, until the context ends. What can't be found
// out stays as it was decided before: an API server that is away for a moment changes nothing.
func (d *Detector) Run(ctx context.Context) error {
	nodes, stop, err := watchNodes(ctx, d.client)
	if err != nil {
		return err
	}
	defer stop()
	for {
		again := askAgain
		if err := d.decide(ctx, nodes.all()); err != nil && ctx.Err() == nil {
			d.log.Error(err, "can't find out what the cluster does itself; it stays as it was decided before")
			again = askAgainSoon
		}
		if !nodes.wait(ctx, again) {
			return nil
		}
	}
}

// decide looks at everything once.
func (d *Detector) decide(ctx context.Context, nodes []node) error {
	decision := Decision{Why: map[string]string{}}
	for _, f := range features {
		has, why, err := f.look(ctx, d, nodes)
		if err != nil {
			return fmt.Errorf("feature %s: %w", f.name, err)
		}
		decision.Why[f.name] = why
		*f.of(&decision.Features) = has
	}
	// RestartAllContainers is an action of a rule: without rules it is nothing.
	decision.Features.RestartAll = decision.Features.RestartAll && decision.Features.Restart
	before := d.decision.Swap(&decision)
	d.metrics.set(decision.Features)
	if before == nil || before.Features != decision.Features {
		d.log.Info("decided what is left to the cluster", "features", names(decision.Features),
			compile.RestartFeature, decision.Why[compile.RestartFeature], compile.RestartAllFeature, decision.Why[compile.RestartAllFeature])
	}
	return nil
}

func names(f compile.Features) string {
	var list []string
	for _, feature := range features {
		if *feature.of(&f) {
			list = append(list, feature.name)
		}
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ",")
}
