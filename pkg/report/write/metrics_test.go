package write

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// counted are the series of a metric that are not zero, by their label values.
func (b *bench) counted(name string) map[string]float64 {
	b.Helper()
	families, err := b.registry.Gather()
	require.NoError(b, err)
	all := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if n := value(m); n != 0 {
				all[labels(m)] = n
			}
		}
	}
	return all
}

func value(m *dto.Metric) float64 {
	return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
}

func labels(m *dto.Metric) string {
	var values []string
	for _, l := range m.GetLabel() {
		values = append(values, l.GetName()+"="+l.GetValue())
	}
	return strings.Join(values, ",")
}

func TestSettle(t *testing.T) {
	all, one := report.ActionRestartAll, report.ActionRestart
	for name, test := range map[string]struct {
		recent          []report.Restart
		failed          int
		after, underway int
		want            []settled
		still           int
	}{
		"nothing":                 {},
		"a container":             {recent: []report.Restart{{ID: 1, Action: one, DurationMicros: 5}}, want: []settled{{one, outcomeCompleted, 5 * time.Microsecond}}},
		"known":                   {recent: []report.Restart{{ID: 1, Action: one, DurationMicros: 5}}, after: 1},
		"the end by a rule":       {recent: []report.Restart{{ID: 1, Action: report.ActionTerminate}}, want: []settled{{report.ActionTerminate, outcomeCompleted, 0}}},
		"under way":               {recent: []report.Restart{{ID: 1, Action: all}}, still: 1},
		"still under way":         {recent: []report.Restart{{ID: 1, Action: all}}, after: 1, underway: 1, still: 1},
		"over now":                {recent: []report.Restart{{ID: 1, Action: all, DurationMicros: 7}}, after: 1, underway: 1, want: []settled{{all, outcomeCompleted, 7 * time.Microsecond}}},
		"given up":                {recent: []report.Restart{{ID: 1, Action: all}}, failed: 2, after: 1, underway: 1, want: []settled{{all, outcomeFailed, 0}}},
		"interrupted by the next": {recent: []report.Restart{{ID: 1, Action: all}, {ID: 2, Action: all}}, want: []settled{{all, outcomeInterrupted, 0}}, still: 2},
		"one fails after one that did not": {recent: []report.Restart{{ID: 1, Action: all, DurationMicros: 1}, {ID: 2, Action: all}}, failed: 3,
			want: []settled{{all, outcomeCompleted, time.Microsecond}, {all, outcomeFailed, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &report.Status{Recent: test.recent}
			if test.failed > 0 {
				s.Failed = &report.Failure{ID: test.failed}
			}
			got, still := settle(s, test.after, test.underway)
			require.Equal(t, test.want, got)
			require.Equal(t, test.still, still)
		})
	}
}

func TestWorkloadOf(t *testing.T) {
	owned := func(kind, name string, labels ...string) *corev1.Pod {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Labels: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{{Kind: "Node", Name: "no controller"}, {Kind: kind, Name: name, Controller: ptr.To(true)}}}}
		for i := 0; i < len(labels); i += 2 {
			pod.Labels[labels[i]] = labels[i+1]
		}
		return pod
	}
	for name, test := range map[string]struct {
		pod  *corev1.Pod
		want workload
	}{
		"a Deployment":           {owned("ReplicaSet", "web-5d8f", "pod-template-hash", "5d8f"), workload{"ns", "Deployment", "web"}},
		"a ReplicaSet":           {owned("ReplicaSet", "web"), workload{"ns", "ReplicaSet", "web"}},
		"one with another label": {owned("ReplicaSet", "web", "pod-template-hash", "5d8f"), workload{"ns", "ReplicaSet", "web"}},
		"a StatefulSet":          {owned("StatefulSet", "db"), workload{"ns", "StatefulSet", "db"}},
		"a Job":                  {owned("Job", "train-2026"), workload{"ns", "Job", "train-2026"}},
		"a CronJob":              {owned("Job", "nightly-29396160"), workload{"ns", "CronJob", "nightly"}},
		"a JobSet":               {owned("Job", "train-workers-0", "jobset.sigs.k8s.io/jobset-name", "train"), workload{"ns", "JobSet", "train"}},
		"nobody's":               {&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "one"}}, workload{"ns", "Pod", ""}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, workloadOf(test.pod)) })
	}
}

// TestWorkloadsAreBounded: however many there are, of a namespace and of all only so many are told apart; those that
// restart no more make room after a while.
func TestWorkloadsAreBounded(t *testing.T) {
	now := time.Now()
	var gone []workload
	all := newWorkloads(func() time.Time { return now }, func(w workload) { gone = append(gone, w) })
	name := func(namespace, i int) workload {
		return workload{fmt.Sprintf("ns-%d", namespace), "Job", fmt.Sprint(i)}
	}
	for i := range maxOfNamespace {
		require.Equal(t, name(0, i), all.label(name(0, i)))
	}
	overflow := workload{"ns-0", overflowKind, ""}
	require.Equal(t, overflow, all.label(name(0, maxOfNamespace)))
	require.Equal(t, name(0, 1), all.label(name(0, 1)), "one that is known stays")
	require.Equal(t, name(1, 0), all.label(name(1, 0)), "a hostile namespace is not in the way of others")
	for namespace := 1; len(all.last) < maxWorkloads; namespace++ {
		for i := 0; i < maxOfNamespace && len(all.last) < maxWorkloads; i++ {
			all.label(name(namespace, i))
		}
	}
	require.Equal(t, workload{"late", overflowKind, ""}, all.label(workload{"late", "Job", "a"}))
	require.Empty(t, gone)

	now = now.Add(rememberWorkload)
	require.Equal(t, workload{"late", "Job", "a"}, all.label(workload{"late", "Job", "a"}))
	require.Len(t, gone, maxWorkloads)
	require.Len(t, all.of, 1)
}

// TestRestartsAreCounted for what the Pod belongs to, once that is known: the answer to the first write says it.
func TestRestartsAreCounted(t *testing.T) {
	b := newBench(t, Options{WritesPerSecond: 1000})
	b.pod = corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: "db", Controller: ptr.To(true)}}}}
	w, gone := newTeller("pod", true), newTeller("gone", true)
	b.fail = func(pod string) error {
		if pod == "gone" {
			return apierrors.NewNotFound(corev1.Resource("pods"), pod)
		}
		return nil
	}
	w.restart(1)
	gone.restart(1)
	b.put(w)
	b.put(gone)
	require.Empty(t, b.counted("restartrules_restarts_total"))
	b.finish()
	w.restart(2)
	w.book.GaveUp("init container setup has failed when it was run again", nil, w.now)
	b.put(w)
	b.put(w)
	require.Equal(t, map[string]float64{
		"action=RestartAllContainers,namespace=ns,outcome=completed,workload=db,workload_kind=StatefulSet": 2,
		"action=RestartAllContainers,namespace=ns,outcome=completed,workload=,workload_kind=":              1,
	}, b.counted("restartrules_restarts_total"))
	require.Equal(t, map[string]float64{"action=RestartAllContainers": 3}, b.counted("restartrules_restart_duration_seconds"))
	require.Equal(t, map[string]float64{"namespace=ns,reason=replay": 1}, b.counted("restartrules_pods_failed_total"))
	require.Equal(t, map[string]float64{"namespace=ns": 2}, b.counted("restartrules_watchers_heard_total"))
}

// TestAnotherReplicaHeardMore: what another replica was told in between is neither an Event of this one nor counted.
func TestAnotherReplicaHeardMore(t *testing.T) {
	b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
	w.restart(1)
	b.put(w)
	w.restart(2)
	w.book.Told(2)
	w.restart(3)
	b.put(w)
	b.finish()
	most := int32(0)
	for _, count := range b.events {
		most = max(most, count)
	}
	require.EqualValues(t, 2, most, "the first and the third: %v", b.events)
	require.Equal(t, map[string]float64{"action=RestartAllContainers": 2}, b.counted("restartrules_restart_duration_seconds"))
}

// TestSilent: a watcher that has said that a restart is under way, and nothing more, is silent. It is not if its Pod is
// gone or has ended, or if another replica has heard of it since; that is counted then.
func TestSilent(t *testing.T) {
	annotated := func(w *teller) map[string]string {
		text, err := json.Marshal(w.report().Status)
		require.NoError(t, err)
		return map[string]string{api.StatusAnnotation: string(text)}
	}
	for name, test := range map[string]struct {
		became         func(w *teller, pod *corev1.Pod) error
		silent, counts float64
	}{
		"silent":  {func(*teller, *corev1.Pod) error { return nil }, 1, 0},
		"gone":    {func(*teller, *corev1.Pod) error { return apierrors.NewNotFound(corev1.Resource("pods"), "pod") }, 0, 0},
		"has end": {func(_ *teller, pod *corev1.Pod) error { pod.Status.Phase = corev1.PodFailed; return nil }, 0, 0},
		"told another replica": {func(w *teller, pod *corev1.Pod) error {
			w.book.Finished(time.Millisecond, w.now.Add(time.Second))
			pod.Annotations = annotated(w)
			return nil
		}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
			code := 88
			w.book.Began(report.Restart{Container: "app", ExitCode: &code, Rule: 1, Action: report.ActionRestartAll}, 1, time.Minute, w.now)
			b.put(w)
			b.finish()
			now := time.Now()
			b.Writer.now = func() time.Time { return now }
			b.lookForSilent(t.Context())
			require.Empty(t, b.counted("restartrules_watchers_silent"), "it has time")

			now = now.Add(time.Minute + silentAfter + time.Second)
			err := test.became(w, &b.pod)
			b.fail = func(string) error { return err }
			b.lookForSilent(t.Context())
			require.Equal(t, test.silent, b.counted("restartrules_watchers_silent")[""])
			require.Equal(t, test.counts, b.counted("restartrules_restart_duration_seconds")["action=RestartAllContainers"])
			if test.silent == 0 {
				return
			}
			b.mu.Lock()
			require.Empty(t, b.patches["pod"][len(b.patches["pod"])-1].Metadata.Annotations, "nothing is changed")
			b.mu.Unlock()
			w.book.Finished(time.Millisecond, w.now.Add(time.Second))
			b.put(w)
			require.Empty(t, b.counted("restartrules_watchers_silent"), "it is heard again")
		})
	}
}
