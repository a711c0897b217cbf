package status

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/report"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, time.November, 23, 3, 0, 0, 0, time.UTC)

// testPod has a sidecar that the kubelet looks after, an init container with a twin, and a trainer.
func testPod(t *testing.T, name string, s *report.Status) *corev1.Pod {
	t.Helper()
	text, err := (&plan.Plan{Version: plan.Version, RestartPolicy: plan.RestartPolicy{Own: "Never", Compiled: "Never"}, RestartAll: &plan.RestartAll{},
		Containers: []plan.Container{
			{Name: "setup", Kind: plan.KindInitContainer, Role: plan.Role{Twin: "setup-replay"}},
			{Name: "shipper", Kind: plan.KindContainer},
			{Name: "trainer", Kind: plan.KindContainer, Wrapped: true, OnExit: "0-255:end"},
			{Name: "setup-replay", Kind: plan.KindContainer, Wrapped: true, OnExit: "0-255:end", Role: plan.Role{TwinOf: "setup"}},
		}}).Encode()
	require.NoError(t, err)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: name, Annotations: map[string]string{api.PlanAnnotation: text}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "trainer", RestartCount: 1}}}}
	if s != nil {
		text, err := json.Marshal(s)
		require.NoError(t, err)
		pod.Annotations[api.StatusAnnotation] = string(text)
	}
	return pod
}

func testPods(t *testing.T) (pods []Pod) {
	code := 88
	last := report.Restart{ID: 2, Container: "trainer", ExitCode: &code, Rule: 1, Action: report.ActionRestartAll, Time: now.Add(-90 * time.Second), DurationMicros: 1760}
	demand := report.Restart{ID: 1, Container: "trainer", Rule: report.NoRule, Action: report.ActionRestartAll, Reason: "new data", Time: now.Add(-3 * time.Hour), DurationMicros: 2000}
	policy := last
	policy.Action, policy.Rule, policy.DurationMicros = report.ActionRestart, report.NoRule, 0
	for name, s := range map[string]*report.Status{
		"a-restarted": {Version: 1, Phase: "Running", Restarts: map[string]int{"trainer": 4, "setup": 3}, Last: &last, Recent: []report.Restart{demand, last}},
		"b-on-demand": {Version: 1, Phase: "Running", Restarts: map[string]int{"trainer": 1, "setup": 1}, Last: &demand, Recent: []report.Restart{demand}},
		"c-waiting": {Version: 1, Phase: "BackingOff", Restarts: map[string]int{"trainer": 2}, Recent: []report.Restart{policy},
			Next: &report.Next{Container: "trainer", At: now.Add(40 * time.Second), Attempt: 4, Max: 20}},
		"d-nothing": {Version: 1, Phase: "Running", Restarts: map[string]int{"trainer": 0}},
		"e-silent":  nil,
		"f-paused":  {Version: 1, Phase: "Running", Paused: api.PausedAll, Restarts: map[string]int{"trainer": 4}},
	} {
		pod := testPod(t, name, s)
		if name == "f-paused" {
			pod.Annotations[api.PausedAnnotation] = api.PausedAll
		}
		p, err := Of(pod)
		require.NoError(t, err)
		pods = append(pods, p)
	}
	slices.SortFunc(pods, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

func TestGolden(t *testing.T) {
	for name, columns := range map[string]Columns{"table": {}, "wide": {Wide: true}, "all-wide": {Namespace: true, Wide: true}} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, Table(&out, testPods(t), columns, now))
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), out.String())
			if name == "wide" {
				docs, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "cli.md"))
				require.NoError(t, err)
				require.Contains(t, string(docs), "\n```\n"+out.String()+"```\n", "docs/cli.md shows it")
			}
		})
	}
}

func TestOfErrors(t *testing.T) {
	pod := testPod(t, "a", nil)
	pod.Annotations[api.StatusAnnotation] = "{"
	_, err := Of(pod)
	require.ErrorContains(t, err, "pod research/a: annotation restartrules.dev/status: ")
	pod.Annotations[api.PlanAnnotation] = `{"version": 9}`
	_, err = Of(pod)
	require.ErrorContains(t, err, "pod research/a: plan: has version 9")
}

func TestPausing(t *testing.T) {
	for name, test := range map[string]struct {
		annotation string
		status     *report.Status
		want       string
	}{
		"not paused":        {"", &report.Status{}, "Running"},
		"never heard of":    {"", nil, "Running"},
		"not any more":      {"false", &report.Status{}, "Running"},
		"paused":            {"true", &report.Status{Paused: "true"}, "Running,Paused"},
		"not yet":           {"true", &report.Status{}, "Running,Pausing"},
		"nobody knows":      {"app", nil, "Running,Pausing"},
		"not yet any more ": {"", &report.Status{Paused: "true"}, "Running,Resuming"},
	} {
		require.Equal(t, test.want, pausing("Running", test.annotation, test.status), name)
	}
}

func TestHistory(t *testing.T) {
	code := 88
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	entries := []report.Restart{
		{ID: 7, Container: "trainer", ExitCode: &code, Rule: 1, Action: report.ActionRestartAll, Time: at(3 * time.Hour), DurationMicros: 154795},
		{ID: 8, Container: "trainer", ExitCode: &code, Rule: report.NoRule, Action: report.ActionRestart, Time: at(time.Hour), DurationMicros: 505},
		{ID: 9, Container: "trainer", Rule: report.NoRule, Action: report.ActionRestartAll, Reason: "new\tdata", Time: at(50 * time.Minute), DurationMicros: 98256},
		{ID: 10, Container: "trainer", Rule: report.NoRule, Action: report.ActionRestart, Time: at(30 * time.Minute), DurationMicros: 751},
		{ID: 11, Rule: report.NoRule, Action: "Pause", Time: at(20 * time.Minute)},
		{ID: 12, Rule: report.NoRule, Action: "Resume", Time: at(10 * time.Minute)},
		{ID: 13, Container: "trainer", Rule: report.NoRule, Action: "Fail", Reason: "outlives SIGKILL, so nothing is started beside it: process 7 (x)", Time: at(time.Second)},
	}
	for name, wide := range map[string]bool{"history": false, "history-wide": true} {
		var out bytes.Buffer
		require.NoError(t, History(&out, entries, wide, now))
		golden := filepath.Join("testdata", name+".txt")
		if *update {
			require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), out.String())
		if !wide {
			docs, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "cli.md"))
			require.NoError(t, err)
			require.Contains(t, string(docs), "\n```\n"+out.String()+"```\n", "docs/cli.md shows it")
		}
	}
}
