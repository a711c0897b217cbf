package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/report"
)

// statusPod is an injected Pod whose trainer has restarted so often; less than 0: nobody has heard of it.
func statusPod(t *testing.T, name string, restarts int) *corev1.Pod {
	t.Helper()
	pod := fakePod(t, name, func(pod *corev1.Pod, p *plan.Plan) {
		p.RestartAll, p.Containers = nil, p.Containers[1:2]
		pod.UID = types.UID(name)
		pod.Labels = map[string]string{api.ModeLabel: api.ModeEmulated, "app": name[:1]}
		pod.Status.Phase = corev1.PodRunning
	})
	if restarts >= 0 {
		text, err := json.Marshal(report.Status{Version: 1, Phase: "Running", Restarts: map[string]int{"trainer": restarts}, ObservedAt: time.Now()})
		require.NoError(t, err)
		pod.Annotations[api.StatusAnnotation] = string(text)
	}
	return pod
}

func TestPodSelector(t *testing.T) {
	for name, test := range map[string]struct{ object, want, failure string }{
		"a Job":                   {`{"kind":"Job","metadata":{"name":"x"},"spec":{"selector":{"matchLabels":{"batch.kubernetes.io/controller-uid":"7"}}}}`, "batch.kubernetes.io/controller-uid=7", ""},
		"expressions":             {`{"kind":"Deployment","spec":{"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["a","b"]}]}}}`, "app in (a,b)", ""},
		"a ReplicationController": {`{"kind":"ReplicationController","spec":{"selector":{"app":"a"}}}`, "app=a", ""},
		"a JobSet":                {`{"kind":"JobSet","metadata":{"name":"x"},"spec":{"replicatedJobs":[]}}`, "jobset.sigs.k8s.io/jobset-name=x", ""},
		"a CronJob":               {`{"kind":"CronJob","spec":{"schedule":"* * * * *"}}`, "", "can't be told from its spec; give their labels with --selector"},
		"nothing at all":          {`{"kind":"Deployment","spec":{"selector":{}}}`, "", "can't be told"}, // it would be all Pods
	} {
		t.Run(name, func(t *testing.T) {
			var object unstructured.Unstructured
			require.NoError(t, json.Unmarshal([]byte(test.object), &object.Object))
			got, err := podSelector(&object)
			if test.failure != "" {
				require.ErrorContains(t, err, test.failure)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got.String())
		})
	}
}

// TestStatusForms holds what is for scripts to a golden file: of a Pod that has reported, and of one that never has.
func TestStatusForms(t *testing.T) {
	client := fakePods(t)
	var got strings.Builder
	for _, output := range []string{"json", "yaml"} {
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		var out, errs bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		o := statusOptions{output: choice{value: output}}
		require.NoError(t, o.show(cmd, client, &wantedPods{namespace: "research", names: []string{"forbidden", "silent"}}))
		require.Empty(t, errs.String())
		fmt.Fprintf(&got, "$ kubectl restartrules status forbidden silent -o %s\n%s\n", output, out.String())
	}
	golden := filepath.Join("testdata", "golden", "live-status.txt")
	if *updateGolden {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// watchStatus is what `status --watch` shows of the Pods with the label app=a: of the first, and then of what feed changes.
func watchStatus(t *testing.T, output string, first *corev1.Pod, feed func(changes *watch.FakeWatcher)) string {
	t.Helper()
	client := fake.NewClientset(first, statusPod(t, "b-other", 1))
	changes := watch.NewFake()
	client.PrependWatchReactor("pods", clienttesting.DefaultWatchReactor(changes, nil))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := &cobra.Command{}
	cmd.SetContext(ctx)
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	o := statusOptions{watch: true, output: choice{value: output}}
	a, err := labels.Parse("app=a")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		done <- o.show(cmd, client, &wantedPods{namespace: first.Namespace, selectors: []labels.Selector{a}})
	}()
	feed(changes)
	changes.Add(statusPod(t, "b-other", 9)) // when this is taken all above was shown
	cancel()
	require.NoError(t, <-done)
	return out.String()
}

// TestStatusWatch: what changes is shown again, below what there was, and nothing else is.
func TestStatusWatch(t *testing.T) {
	first := statusPod(t, "a-trainer", 1)
	out := watchStatus(t, "table", first, func(changes *watch.FakeWatcher) {
		changes.Add(first)
		changes.Modify(statusPod(t, "b-other", 2))
		again := first.DeepCopy()
		again.Annotations["other"] = "changed"
		changes.Modify(again)
		changes.Modify(statusPod(t, "a-trainer", 2))
		changes.Add(statusPod(t, "a-trainer-with-a-name", -1))
		changes.Delete(again)
		changes.Modify(statusPod(t, "a-trainer", 3))
	})
	lines := slices.Collect(strings.Lines(out))
	var rows []string
	for _, line := range lines {
		rows = append(rows, strings.Join(strings.Fields(line)[:4], " "))
	}
	require.Equal(t, []string{
		"POD CONTAINER RESTARTS IN-PLACE",
		"a-trainer trainer 1 1",
		"a-trainer trainer 1 2",
		"a-trainer-with-a-name trainer 1 <unknown>",
		"a-trainer trainer 1 3",
	}, rows, out)
	require.Equal(t, strings.Index(lines[0], "CONTAINER"), strings.Index(lines[2], "trainer     1"), "columns stay where they are")
}

// TestStatusWatchOfAll: as JSON and YAML everything is shown, so what no column of the table has is shown again, too.
func TestStatusWatchOfAll(t *testing.T) {
	first := statusPod(t, "a-trainer", 1)
	paused := first.DeepCopy()
	paused.Annotations[api.PausedAnnotation] = api.PausedAll
	for output, phase := range map[string]string{"json": `"phase": "`, "yaml": "  phase: "} {
		out := watchStatus(t, output, first, func(changes *watch.FakeWatcher) {
			changes.Add(first)
			changes.Modify(paused)
		})
		require.Equal(t, 1, strings.Count(out, phase+"Running,Pausing"), out)
	}
	require.NotContains(t, watchStatus(t, "table", first, func(changes *watch.FakeWatcher) { changes.Modify(paused) }), "Pausing")
}

func TestStatusOfPodsByName(t *testing.T) {
	plain := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "plain"}}
	client := fake.NewClientset(statusPod(t, "a-trainer", 1), plain)
	w := &wantedPods{namespace: "research", names: []string{"a-trainer"}}
	pods, err := w.read(t.Context(), client)
	require.NoError(t, err)
	require.Len(t, pods, 1)
	w.names = []string{"plain"}
	_, err = w.read(t.Context(), client)
	require.ErrorContains(t, err, "pod research/plain was not injected: there is nothing of Restart Rules in it; `kubectl restartrules check -n research plain` says why")
}
