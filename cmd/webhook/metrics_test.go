package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes/fake"

	"restartrules.dev/pkg/admission"
	"restartrules.dev/pkg/entrypoint"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/native"
	"restartrules.dev/pkg/report/receive"
	"restartrules.dev/pkg/report/write"
	"restartrules.dev/pkg/workload"
)

var update = flag.Bool("update", false, "write the table of metrics into docs/metrics.md")

// metricsPage has the table between two marks.
const (
	metricsPage = "../../docs/metrics.md"
	tableBegins = "<!-- begin: what the webhook registers -->\n"
	tableEnds   = "<!-- end -->\n"
)

// TestMetricsAreDocumented wants the table of docs/metrics.md to be what the webhook registers.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(metricsPage)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), tableBegins)
	require.True(t, ok)
	_, tail, ok := strings.Cut(rest, tableEnds)
	require.True(t, ok)
	all := registered(t)
	var table strings.Builder
	table.WriteString("\n| metric | type | labels | is |\n| --- | --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m := all[name]
		labels := "-"
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name, m.kind, labels, m.help)
	}
	table.WriteString("\n")
	want := head + tableBegins + table.String() + tableEnds + tail
	if *update {
		require.NoError(t, os.WriteFile(metricsPage, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "run: make docs")
}

// TestMetricsAreNamedWell by the conventions of Prometheus.
func TestMetricsAreNamedWell(t *testing.T) {
	var families []*dto.MetricFamily
	for name, m := range registered(t) {
		kind := dto.MetricType(dto.MetricType_value[strings.ToUpper(m.kind)])
		one := &dto.Metric{}
		for _, label := range m.labels {
			one.Label = append(one.Label, &dto.LabelPair{Name: &label, Value: new("x")})
		}
		families = append(families, &dto.MetricFamily{Name: &name, Help: &m.help, Type: &kind, Metric: []*dto.Metric{one}})
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

// metric is one that is registered.
type metric struct {
	kind, help string
	labels     []string
}

// registered are the metrics that the webhook registers with everything turned on, by name.
func registered(t *testing.T) map[string]metric {
	t.Helper()
	r := &recorder{Registerer: prometheus.NewRegistry()}
	_, err := admission.New(inject.Options{}, workload.BuiltIn(), logr.Discard(), r)
	require.NoError(t, err)
	client := fake.NewClientset()
	_, err = native.New(client, "restartrules-system", logr.Discard(), r)
	require.NoError(t, err)
	_, err = entrypoint.New(t.Context(), entrypoint.Options{Registerer: r})
	require.NoError(t, err)
	writer, err := write.New(client, logr.Discard(), r, write.Options{WritesPerSecond: write.DefaultWritesPerSecond})
	require.NoError(t, err)
	_, err = receive.New(receive.NewReviewer(client.AuthenticationV1().TokenReviews()), writer, logr.Discard(), r)
	require.NoError(t, err)
	_, err = receive.NewGate(r)
	require.NoError(t, err)
	serveOnce(t, r)

	all := map[string]metric{}
	for _, c := range r.collectors {
		name, m := describe(t, c)
		require.NotContains(t, all, name)
		all[name] = m
	}
	return all
}

// serveOnce has the server register what it registers.
func serveOnce(t *testing.T, r prometheus.Registerer) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, admission.Serve(over, nil, admission.ServerOptions{
		Host: "127.0.0.1", Port: port, MetricsBindAddress: "0", HealthProbeBindAddress: "127.0.0.1:0", Registerer: r,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("there is none") },
	}))
}

// recorder remembers what is registered.
type recorder struct {
	prometheus.Registerer
	collectors []prometheus.Collector
}

func (r *recorder) Register(c prometheus.Collector) error {
	r.collectors = append(r.collectors, c)
	return r.Registerer.Register(c)
}

// description is how a Desc says what it is.
var description = regexp.MustCompile(`^Desc{fqName: "([^"]+)", help: "([^"]+)", unit: "[^"]*", constLabels: {}, variableLabels: {([^}]*)}}$`)

func describe(t *testing.T, c prometheus.Collector) (string, metric) {
	t.Helper()
	descriptions := make(chan *prometheus.Desc, 10)
	c.Describe(descriptions)
	require.Len(t, descriptions, 1)
	found := description.FindStringSubmatch((<-descriptions).String())
	require.NotNil(t, found)
	m := metric{kind: kindOf(t, c), help: found[2]}
	if found[3] != "" {
		m.labels = strings.Split(found[3], ",")
	}
	return found[1], m
}

func kindOf(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	switch c := c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.GaugeVec:
		return "gauge"
	case *prometheus.HistogramVec:
		return "histogram"
	case prometheus.Metric:
		var m dto.Metric
		require.NoError(t, c.Write(&m))
		switch {
		case m.Counter != nil:
			return "counter"
		case m.Gauge != nil:
			return "gauge"
		case m.Histogram != nil:
			return "histogram"
		}
	}
	t.Fatalf("%T is of no kind that is known here", c)
	return ""
}
