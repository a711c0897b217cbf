package admission

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"

	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

// outcome is what became of an object, and a label of restartrules_admissions_total.
type outcome string

const (
	// outcomeUnchanged: allowed as it is.
	outcomeUnchanged outcome = "unchanged"
	// outcomeInjected: allowed with our changes, the watcher among them.
	outcomeInjected outcome = "injected"
	// outcomeNative: allowed, perhaps with our changes; the kubelet applies the rules, by the containers' own fields.
	outcomeNative outcome = "native"
	// outcomePolicy: allowed with another Pod-level restartPolicy, by which the kubelet does what the rules say.
	outcomePolicy outcome = "policy"
	// outcomeLifted: a workload, allowed with our changes to its Pod templates.
	outcomeLifted outcome = "lifted"
	// outcomeDenied: refused with field errors.
	outcomeDenied outcome = "denied"
	// outcomeObserved: allowed as it is, although there is something to change or to refuse: we only observe.
	outcomeObserved outcome = "observed"
	// outcomeError: we could not tell; the API server applies the failurePolicy.
	outcomeError outcome = "error"
)

// unknownLabel is the label for requests whose kind or operation we could not read or don't handle.
const unknownLabel = "unknown"

type metrics struct {
	admissions *prometheus.CounterVec
	duration   prometheus.Histogram
	expected   *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer, kinds []workload.Kind) (*metrics, error) {
	m := &metrics{
		admissions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_admissions_total",
			Help: "Objects that the API server asked about, by resource, operation and outcome. " +
				"What validation lets pass was counted at mutation and is not counted again.",
		}, []string{"resource", "operation", "outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "restartrules_admission_duration_seconds",
			Help:    "Time from reading a request of the API server to having answered it.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 17), // 0.1 ms to 6.6 s
		}),
	}
	m.expected = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "restartrules_watchers_expected_total",
		Help: "Pods that were admitted whose watchers report as soon as they run: those that may restart all of their Pod.",
	}, []string{"namespace"})
	for _, collector := range []prometheus.Collector{m.admissions, m.duration, m.expected} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	// A series that appears with its first increment hides that increment from rate().
	m.begin("pods", outcomeInjected, outcomeNative, outcomePolicy)
	for _, k := range kinds {
		m.begin(k.Resource, outcomeLifted)
	}
	return m, nil
}

// begin has the series of a resource begin at zero.
func (m *metrics) begin(resource string, changed ...outcome) {
	for _, operation := range []admissionv1.Operation{admissionv1.Create, admissionv1.Update} {
		for _, o := range append(changed, outcomeUnchanged, outcomeDenied, outcomeError) {
			m.admissions.WithLabelValues(resource, string(operation), string(o))
		}
	}
}

func (m *metrics) count(resource string, operation admissionv1.Operation, o outcome) {
	label := unknownLabel
	if operation == admissionv1.Create || operation == admissionv1.Update {
		label = string(operation)
	}
	m.admissions.WithLabelValues(resource, label, string(o)).Inc()
}

func (m *metrics) observe(d time.Duration) { m.duration.Observe(d.Seconds()) }

// outcomeOf tells a Pod with the watcher from one without.
func outcomeOf(result inject.Result) outcome {
	if result.Watched {
		return outcomeInjected
	}
	return outcomePolicy
}
