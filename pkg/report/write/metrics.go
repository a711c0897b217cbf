package write

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"restartrules.dev/pkg/report"
)

type metrics struct {
	restarts *prometheus.CounterVec
	duration *prometheus.HistogramVec
	failed   *prometheus.CounterVec
	writes   *prometheus.CounterVec
	dropped  prometheus.Counter
	heard    *prometheus.CounterVec
	// workloads are those that restarts has, under the Writer's mutex.
	workloads *workloads
}

func newMetrics(registry prometheus.Registerer, w *Writer) (*metrics, error) {
	m := &metrics{
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_restarts_total",
			Help: "Restarts in place that watchers reported and that are over, by what the Pod belongs to, action and outcome.",
		}, []string{"namespace", "workload_kind", "workload", "action", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "restartrules_restart_duration_seconds",
			Help:    "Time from an exit until everything that restarts ran again, without back-off.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2.5, 16), // 0.2 ms to 3 min
		}, []string{"action"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_pods_failed_total",
			Help: "Pods that were given up in a restart, because of a process that could not be killed, or because what was to run again failed.",
		}, []string{"namespace", "reason"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_report_writes_total",
			Help: "Requests to the API server that write what watchers reported, by kind and outcome.",
		}, []string{"kind", "outcome"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "restartrules_report_dropped_total",
			Help: "Pods of which what they reported was given up, because it could not be written.",
		}),
		heard: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_watchers_heard_total",
			Help: "Pods that have reported for the first time.",
		}, []string{"namespace"}),
	}
	m.workloads = newWorkloads(w.now, func(gone workload) {
		m.restarts.DeletePartialMatch(prometheus.Labels{"namespace": gone.namespace, "workload_kind": gone.kind, "workload": gone.name})
	})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "restartrules_report_pods_waiting",
		Help: "Pods of which something that was reported waits to be written.",
	}, func() float64 { return float64(w.waiting()) })
	silent := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "restartrules_watchers_silent",
		Help: "Pods whose watchers said that a restart is under way or waits, and should have said long since what has become of it.",
	}, func() float64 { return float64(w.silent()) })
	for _, c := range []prometheus.Collector{m.restarts, m.duration, m.failed, m.writes, m.dropped, m.heard, waiting, silent} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	for _, kind := range []string{"status", "event"} {
		m.writes.WithLabelValues(kind, outcomeOK)
		m.writes.WithLabelValues(kind, outcomeError)
	}
	for _, action := range []string{report.ActionRestart, report.ActionRestartAll} {
		m.duration.WithLabelValues(action)
	}
	return m, nil
}

const (
	outcomeOK    = "ok"
	outcomeError = "error"
)

func (m *metrics) wrote(kind string, err error) {
	outcome := outcomeOK
	if err != nil {
		outcome = outcomeError
	}
	m.writes.WithLabelValues(kind, outcome).Inc()
}

// Reasons of Pods that were given up, values of a label.
const (
	reasonUnkillable = "unkillable"
	reasonReplay     = "replay"
)

// gaveUp counts a Pod that was given up, if it was not before.
func (m *metrics) gaveUp(namespace string, s *report.Status, after int) {
	switch {
	case s.Failed == nil || s.Failed.ID <= after:
	case s.Stuck != nil:
		m.failed.WithLabelValues(namespace, reasonUnkillable).Inc()
	default:
		m.failed.WithLabelValues(namespace, reasonReplay).Inc()
	}
}

// count counts restarts of a workload.
func (m *metrics) count(of workload, list []settled) {
	for _, s := range list {
		w := m.workloads.label(of)
		m.restarts.WithLabelValues(w.namespace, w.kind, w.name, s.action, s.outcome).Inc()
	}
}

// measure observes how long restarts took.
func (m *metrics) measure(list []settled) {
	for _, s := range list {
		if s.took > 0 {
			m.duration.WithLabelValues(s.action).Observe(s.took.Seconds())
		}
	}
}
