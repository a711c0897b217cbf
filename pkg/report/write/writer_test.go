package write

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/report/receive"
)

// bench is a Writer with an API server that has the Pods.
type bench struct {
	*testing.T
	*Writer
	api *fake.Clientset

	mu      sync.Mutex
	patches map[string][]patched // by Pod
	writes  []time.Time
	events  map[string]int32 // by Pod and message: the count
	fail    func(pod string) error
	// pod is what patches are answered with.
	pod corev1.Pod

	registry *prometheus.Registry
}

// patched is what a patch of a Pod says.
type patched struct {
	Metadata struct {
		UID         string
		Annotations map[string]string
	}
	Status struct{ Conditions []corev1.PodCondition }
}

func newBench(t *testing.T, o Options, objects ...runtime.Object) *bench {
	t.Helper()
	b := &bench{T: t, api: fake.NewClientset(objects...), patches: map[string][]patched{}, events: map[string]int32{}}
	b.api.PrependReactor("patch", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		p := action.(clienttesting.PatchAction)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.writes = append(b.writes, time.Now())
		if b.fail != nil {
			if err := b.fail(p.GetName()); err != nil {
				return true, nil, err
			}
		}
		var said patched
		require.Equal(t, "status", p.GetSubresource())
		require.Equal(t, types.StrategicMergePatchType, p.GetPatchType())
		require.NoError(t, json.Unmarshal(p.GetPatch(), &said))
		b.patches[p.GetName()] = append(b.patches[p.GetName()], said)
		return true, b.pod.DeepCopy(), nil
	})
	b.api.PrependReactor("create", "events", func(action clienttesting.Action) (bool, runtime.Object, error) {
		b.count(action.(clienttesting.CreateAction).GetObject().(*corev1.Event))
		return false, nil, nil
	})
	b.api.PrependReactor("patch", "events", func(action clienttesting.Action) (bool, runtime.Object, error) {
		var e corev1.Event
		require.NoError(t, json.Unmarshal(action.(clienttesting.PatchAction).GetPatch(), &e))
		b.mu.Lock()
		defer b.mu.Unlock()
		b.writes = append(b.writes, time.Now())
		b.events["counted "+action.(clienttesting.PatchAction).GetName()] = e.Count
		return true, &e, nil
	})
	b.registry = prometheus.NewRegistry()
	w, err := New(b.api, logr.Discard(), b.registry, o)
	require.NoError(t, err)
	b.Writer = w
	return b
}

func (b *bench) count(e *corev1.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes = append(b.writes, time.Now())
	b.events[e.InvolvedObject.Name+": "+e.Reason+": "+e.Message] = e.Count
}

// finish writes what is there, and ends.
func (b *bench) finish() {
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	b.Writer.Run(ctx, time.Minute)
}

// teller is a Pod's watcher.
type teller struct {
	identity receive.Identity
	book     *report.Book
	now      time.Time
}

func newTeller(name string, wholePod bool) *teller {
	w := &teller{identity: receive.Identity{Pod: report.Pod{Namespace: "ns", Name: name, UID: "uid of " + name}}, now: time.Now()}
	w.book = report.NewBook(map[string]report.Container{"app": {Counts: "app"}}, wholePod, w.now)
	w.book.Started("app", 1, nil, w.now)
	return w
}

func (w *teller) report() *report.Report { return w.book.Report(w.identity.Pod) }

// restart is one of the whole Pod, the n-th, that is over.
func (w *teller) restart(n int) {
	code := 88
	w.now = w.now.Add(time.Millisecond)
	w.book.Began(report.Restart{Container: "app", ExitCode: &code, Rule: 1, Action: report.ActionRestartAll}, n, 0, w.now)
	w.book.Started("app", n+1, nil, w.now)
	w.book.Finished(2500*time.Microsecond, w.now)
}

func (b *bench) put(w *teller) {
	b.Helper()
	require.NoError(b, b.Put(w.identity, w.report()))
}

func (p *patched) condition() corev1.PodCondition {
	if len(p.Status.Conditions) == 0 {
		return corev1.PodCondition{}
	}
	return p.Status.Conditions[0]
}

func (b *bench) status(p patched) report.Status {
	b.Helper()
	var s report.Status
	require.NoError(b, json.Unmarshal([]byte(p.Metadata.Annotations[api.StatusAnnotation]), &s))
	return s
}

const why = "container app exited with code 88, which restartPolicyRules[1] (RestartAllContainers) matches"

// TestWriteARestart: the condition is shown as it was, and then as it is; one Event.
func TestWriteARestart(t *testing.T) {
	b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
	w.restart(1)
	b.put(w)
	b.put(w) // the same once more
	b.finish()
	require.Len(t, b.patches["pod"], 2)
	first, last := b.patches["pod"][0], b.patches["pod"][1]
	require.Equal(t, "uid of pod", first.Metadata.UID)
	require.Equal(t, corev1.AllContainersRestarting, first.condition().Type)
	require.Equal(t, corev1.ConditionTrue, first.condition().Status)
	require.Equal(t, "RestartAllContainersStarted", first.condition().Reason)
	require.Equal(t, why, first.condition().Message)
	require.Equal(t, corev1.ConditionFalse, last.condition().Status)
	require.Equal(t, "all containers were restarted in place in 2.5ms: "+why, last.condition().Message)
	require.Equal(t, map[string]int{"app": 1}, b.status(last).Restarts)
	require.Equal(t, map[string]int32{"pod: RestartAllContainersStarted: restarting all containers in place: " + why: 1}, b.events)
	require.Zero(t, b.waiting())
}

// TestWriteWithoutCondition: of a Pod that doesn't restart as a whole there is only the annotation.
func TestWriteWithoutCondition(t *testing.T) {
	b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", false)
	code := 42
	w.book.Started("app", 2, &report.Restart{Container: "app", ExitCode: &code, Action: report.ActionRestart, DurationMicros: 500}, time.Now())
	b.put(w)
	b.finish()
	require.Len(t, b.patches["pod"], 1)
	require.Empty(t, b.patches["pod"][0].Status.Conditions)
	require.Equal(t, map[string]int32{"pod: RestartedInPlace: restarted in place: container app exited with code 42, which restartPolicyRules[0] (Restart) matches": 1}, b.events)
}

// TestCoalescing: of many reports the last counts. What was in between is counted, not written one by one.
func TestCoalescing(t *testing.T) {
	b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
	for n := 1; n <= 8; n++ {
		w.restart(n)
		b.put(w)
	}
	b.finish()
	require.Len(t, b.patches["pod"], 2)
	last := b.patches["pod"][1]
	require.Equal(t, corev1.ConditionFalse, last.condition().Status)
	require.Equal(t, map[string]int{"app": 8}, b.status(last).Restarts)
	most := int32(0)
	for _, count := range b.events {
		most = max(most, count)
	}
	require.EqualValues(t, 8, most, "one Event, counted: %v", b.events)
}

// TestOvertaken: an older report that comes late changes nothing.
func TestOvertaken(t *testing.T) {
	b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
	early := w.report()
	w.restart(1)
	b.put(w)
	require.NoError(t, b.Put(w.identity, early))
	b.finish()
	require.Equal(t, map[string]int{"app": 1}, b.status(b.patches["pod"][1]).Restarts)
}

// TestAnotherReplica: what the webhook was told before is no Event of a replica that hears of it again.
func TestAnotherReplica(t *testing.T) {
	b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
	w.restart(1)
	w.book.Told(1)
	b.put(w)
	b.finish()
	require.Empty(t, b.events)
	require.Len(t, b.patches["pod"], 1)
	require.Equal(t, corev1.ConditionFalse, b.patches["pod"][0].condition().Status)
}

// TestOnceMore: what a watcher says once more is written once more if another replica may have written in between.
func TestOnceMore(t *testing.T) {
	b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
	now := time.Now()
	b.Writer.now = func() time.Time { return now }
	for _, patches := range []int{1, 1, 2} {
		b.put(w)
		require.NoError(t, b.writeStatus(t.Context(), w.identity.UID))
		require.Len(t, b.patches["pod"], patches)
		if patches == 1 {
			now = now.Add(surelyWritten / 2)
		}
	}
}

// TestStorm: many Pods restart at once. All final conditions and counts are right, no second has more writes than
// are allowed, and what was in between is left out.
func TestStorm(t *testing.T) {
	const pods, rate = 150, 100
	b := newBench(t, Options{WritesPerSecond: rate})
	for n := range pods {
		w := newTeller(fmt.Sprintf("pod-%d", n), true)
		b.put(w)
		w.restart(1)
		b.put(w)
	}
	b.finish()
	require.Len(t, b.patches, pods)
	for name, patches := range b.patches {
		last := patches[len(patches)-1]
		require.Equal(t, corev1.ConditionFalse, last.condition().Status, name)
		require.Equal(t, map[string]int{"app": 1}, b.status(last).Restarts, name)
	}
	require.Less(t, len(b.writes), 3*pods, "the condition of most is not shown as it was")
	for i, first := range b.writes {
		within := 0
		for _, at := range b.writes[i:] {
			if at.Sub(first) < 900*time.Millisecond {
				within++
			}
		}
		require.LessOrEqual(t, within, rate)
	}
}

// TestGone: what the Pod that is gone, or another of its name, has to tell is not written again and again.
func TestGone(t *testing.T) {
	for name, err := range map[string]error{
		"gone":    apierrors.NewNotFound(corev1.Resource("pods"), "pod"),
		"another": apierrors.NewConflict(corev1.Resource("pods"), "pod", errors.New("the UID in the precondition is another")),
	} {
		t.Run(name, func(t *testing.T) {
			b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
			b.fail = func(string) error { return err }
			b.put(w)
			b.finish()
			require.Len(t, b.writes, 1)
			require.Zero(t, b.waiting())
		})
	}
}

// TestTriesAgain: a write that fails is made again, of what is the latest then.
func TestTriesAgain(t *testing.T) {
	b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
	failures, failed := 0, make(chan struct{})
	b.fail = func(string) error {
		if failures++; failures > 2 {
			return nil
		}
		if failures == 2 {
			close(failed)
		}
		return apierrors.NewInternalError(errors.New("etcd has no leader"))
	}
	b.put(w)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Writer.Run(ctx, time.Minute)
	}()
	<-failed
	w.restart(1)
	b.put(w)
	require.Eventually(t, func() bool { return b.waiting() == 0 }, time.Minute, 10*time.Millisecond)
	cancel()
	<-done
	patches := b.patches["pod"]
	require.Equal(t, map[string]int{"app": 1}, b.status(patches[len(patches)-1]).Restarts)
	require.Equal(t, corev1.ConditionFalse, patches[len(patches)-1].condition().Status)
}

func TestNoRoom(t *testing.T) {
	b := newBench(t, Options{WritesPerSecond: 1000})
	for n := range maxPods {
		b.pods[fmt.Sprint(n)] = &pod{latest: &report.Report{}}
	}
	w := newTeller("pod", true)
	require.ErrorIs(t, b.Put(w.identity, w.report()), receive.ErrFull)
	b.pods["0"].latest = nil // written
	require.NoError(t, b.Put(w.identity, w.report()))
	require.Len(t, b.pods, maxPods)
}

// TestWhoOwnsTheCondition: by the node's kubelet.
func TestWhoOwnsTheCondition(t *testing.T) {
	for name, test := range map[string]struct {
		version string
		has     []string
		want    corev1.PodConditionType
	}{
		"old":                   {"v1.34.4", nil, corev1.AllContainersRestarting},
		"with the feature off":  {"v1.36.3", nil, corev1.AllContainersRestarting},
		"with the feature":      {"v1.36.3", []string{compile.RestartAllFeature}, OwnCondition},
		"a prerelease of it":    {"v1.35.0-rc.1", []string{compile.RestartAllFeature}, OwnCondition},
		"went back to an older": {"v1.34.4", []string{compile.RestartAllFeature}, corev1.AllContainersRestarting},
		"without a version":     {"", []string{compile.RestartAllFeature}, corev1.AllContainersRestarting},
	} {
		t.Run(name, func(t *testing.T) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}, Status: corev1.NodeStatus{
				NodeInfo: corev1.NodeSystemInfo{KubeletVersion: test.version}, DeclaredFeatures: test.has}}
			b, w := newBench(t, Options{WritesPerSecond: 1000}, node), newTeller("pod", true)
			w.identity.Node = "node"
			b.put(w)
			b.finish()
			require.Equal(t, test.want, b.patches["pod"][0].condition().Type)
		})
	}
	b, w := newBench(t, Options{WritesPerSecond: 1000}), newTeller("pod", true)
	w.identity.Node = "of which nobody knows"
	b.put(w)
	b.finish()
	require.Equal(t, corev1.AllContainersRestarting, b.patches["pod"][0].condition().Type)
}
