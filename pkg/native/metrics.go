package native

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"restartrules.dev/pkg/compile"
)

// Registerer is where metrics are counted.
type Registerer = prometheus.Registerer

type metrics struct{ native *prometheus.GaugeVec }

func newMetrics(registry Registerer) (*metrics, error) {
	m := &metrics{prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "restartrules_native_feature",
		Help: "1 for a feature that is left to the cluster, because the API server and all nodes have it; else 0.",
	}, []string{"feature"})}
	if err := registry.Register(m.native); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	m.set(compile.Features{})
	return m, nil
}

func (m *metrics) set(f compile.Features) {
	for _, feature := range features {
		value := 0.0
		if *feature.of(&f) {
			value = 1
		}
		m.native.WithLabelValues(feature.name).Set(value)
	}
}
