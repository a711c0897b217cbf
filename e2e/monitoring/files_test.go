package monitoring

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write prometheusrule.yaml anew")

const (
	root      = "../.."
	component = root + "/manifests/components/monitoring"
)

// others are the metrics of ours that somebody else serves: all that the dashboard and the alerts name beside those of
// docs/metrics.md.
var others = []string{
	"apiserver_admission_webhook_rejection_count", // the API server
	"process_resident_memory_bytes",               // client_golang, in the webhook
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}

// documented are the metrics that docs/metrics.md has, which a test of cmd/webhook holds equal to what it registers.
func documented(t *testing.T) (names []string) {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `(restartrules_[a-z_]+)` \\| ([a-z]+) \\|")
	for _, found := range row.FindAllStringSubmatch(string(read(t, root+"/docs/metrics.md")), -1) {
		if names = append(names, found[1]); found[2] == "histogram" {
			names = append(names, found[1]+"_bucket", found[1]+"_sum", found[1]+"_count")
		}
	}
	require.NotEmpty(t, names)
	return names
}

// query is one of the dashboard's or of an alert, and where it is.
type query struct{ where, text string }

// Variables of the dashboard, as Grafana would put them in.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*")

type dashboard struct {
	UID    string `json:"uid"`
	Panels []struct {
		ID      int    `json:"id"`
		Type    string `json:"type"`
		Title   string `json:"title"`
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ Expr, LegendFormat string }
	} `json:"panels"`
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	require.NoError(t, json.Unmarshal(read(t, component+"/dashboard.json"), &d))
	require.NotEmpty(t, d.Panels)
	return d
}

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func readRules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, yaml.Unmarshal(read(t, component+"/rules.yaml"), &file))
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

func queries(t *testing.T) (all []query) {
	t.Helper()
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			all = append(all, query{"panel " + panel.Title, variables.Replace(target.Expr)})
		}
	}
	for _, r := range readRules(t) {
		all = append(all, query{"alert " + r.Alert, r.Expr})
	}
	return all
}

// TestQueries: every query is one, and names no metric that there isn't. Each metric of ours is shown somewhere.
func TestQueries(t *testing.T) {
	ours, shown := documented(t), map[string]bool{}
	known := slices.Concat(ours, others)
	for _, q := range queries(t) {
		require.NotContains(t, q.text, "$", "%s: a variable that this test doesn't know", q.where)
		expression, err := parser.NewParser(parser.Options{}).ParseExpr(q.text)
		require.NoError(t, err, "%s: %s", q.where, q.text)
		parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
			if selector, ok := node.(*parser.VectorSelector); ok {
				require.Contains(t, known, metricOf(selector), q.where)
				shown[strings.TrimSuffix(metricOf(selector), "_bucket")] = true
			}
			return nil
		})
	}
	for _, name := range ours {
		if !slices.ContainsFunc([]string{"_bucket", "_sum", "_count"}, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			require.True(t, shown[name], "%s is neither in the dashboard nor in an alert", name)
		}
	}
	for _, name := range others {
		require.True(t, shown[name], "%s is not used", name)
	}
}

func metricOf(selector *parser.VectorSelector) string {
	for _, m := range selector.LabelMatchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

// TestDashboard: what Grafana would show wrongly and say nothing of.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	require.Equal(t, "restartrules", d.UID, "links lead to it")
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, panel := range d.Panels {
		require.False(t, ids[panel.ID], "%s: the id %d is there twice", panel.Title, panel.ID)
		ids[panel.ID] = true
		require.Equal(t, panel.Type == "row", len(panel.Targets) == 0, panel.Title)
		for x := range panel.GridPos.W {
			for y := range panel.GridPos.H {
				cell := [2]int{panel.GridPos.X + x, panel.GridPos.Y + y}
				require.Less(t, cell[0], 24, panel.Title)
				require.Empty(t, cells[cell], "%s is in its way", panel.Title)
				cells[cell] = panel.Title
			}
		}
	}
}

// TestAlertsAreDocumented: each has a severity, and its section in docs/metrics.md.
func TestAlertsAreDocumented(t *testing.T) {
	page, has := string(read(t, root+"/docs/metrics.md")), map[string]bool{}
	for _, r := range readRules(t) {
		require.Contains(t, []string{"critical", "warning", "info"}, r.Labels["severity"], r.Alert)
		require.Contains(t, page, "\n### "+r.Alert+"\n")
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.NotEmpty(t, r.Annotations["description"], r.Alert)
		require.Equal(t, "https://restartrules.dev/docs/metrics#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"])
		has[r.Alert] = true
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (RestartRules\w+)$`).FindAllStringSubmatch(page, -1) {
		require.Contains(t, slices.Collect(maps.Keys(has)), heading[1])
	}
}

const head = `# Made of rules.yaml: go test ./... -update in e2e/monitoring.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: restartrules
  namespace: restartrules-system
  labels:
    app.kubernetes.io/name: restartrules
    app.kubernetes.io/component: webhook
spec:
`

// TestPrometheusRule: the operator's object says what the file for Prometheus says.
func TestPrometheusRule(t *testing.T) {
	file := filepath.Join(component, "prometheusrule.yaml")
	_, groups, found := strings.Cut(string(read(t, component+"/rules.yaml")), "\ngroups:\n")
	require.True(t, found)
	want := head + "  groups:\n"
	for line := range strings.Lines(groups) {
		want += "  " + line
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
	}
	require.Equal(t, want, string(read(t, file)))
	var object, plain map[string]any
	require.NoError(t, yaml.UnmarshalStrict([]byte(want), &object))
	require.NoError(t, yaml.UnmarshalStrict(read(t, component+"/rules.yaml"), &plain))
	require.Equal(t, plain, object["spec"])
}
