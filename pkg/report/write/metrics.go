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
}

func newMetrics(registry prometheus.Registerer, w *Writer) (*metrics, error) {
	m := &metrics{
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_restarts_total",
			Help: "Restarts in place that watchers reported, by the Pod's namespace and the action. Of RestartAllContainers and TerminatePod those that began.",
		}, []string{"namespace", "action"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "restartrules_restart_duration_seconds",
			Help:    "Time from an exit until everything that restarts ran again, without back-off.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2.5, 16), // 0.2 ms to 3 min
		}, []string{"action"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_pods_failed_total",
			Help: "Pods that were given up: something could not be stopped, or not be started again.",
		}, []string{"namespace"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_report_writes_total",
			Help: "Requests to the API server that write what watchers reported, by kind (status, event) and outcome.",
		}, []string{"kind", "outcome"}),
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "restartrules_report_pods_waiting",
		Help: "Pods of which something that was reported waits to be written.",
	}, func() float64 { return float64(w.waiting()) })
	for _, c := range []prometheus.Collector{m.restarts, m.duration, m.failed, m.writes, waiting} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	for _, kind := range []string{"status", "event"} {
		m.writes.WithLabelValues(kind, outcomeOK)
		m.writes.WithLabelValues(kind, outcomeError)
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

// measure observes the restarts of a report that are over and were not when it had been observed before:
// those whose IDs are above after, or under way. It returns the ID of the one that is still under way, or 0.
func (m *metrics) measure(r *report.Report, after, underway int) (still int) {
	for i := range r.Status.Recent {
		entry := &r.Status.Recent[i]
		switch {
		case entry.ID <= after && entry.ID != underway:
		case entry.DurationMicros > 0:
			m.duration.WithLabelValues(entry.Action).Observe(took(entry).Seconds())
		case entry.Action == report.ActionRestartAll:
			still = entry.ID
		}
	}
	return still
}

// count counts what a report tells for the first time: what has an ID above after.
func (m *metrics) count(namespace string, r *report.Report, after int) {
	for i := range r.Status.Recent {
		entry := &r.Status.Recent[i]
		if entry.ID <= after {
			continue
		}
		m.restarts.WithLabelValues(namespace, entry.Action).Inc()
	}
	if f := r.Status.Failed; f != nil && f.ID > after {
		m.failed.WithLabelValues(namespace).Inc()
	}
}
