package differential

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/prober"
	"k8s.io/kubernetes/pkg/kubelet/prober/results"
	"k8s.io/kubernetes/pkg/kubelet/status"
	"k8s.io/utils/exec"

	"restartrules.dev/pkg/probe"
)

// probeRun is how the n-th run of a probe in the life of a container goes.
type probeRun struct {
	takes   time.Duration
	outcome probe.Outcome
}

// life is a container's: its probes, how their runs go, and how long it lives.
type life struct {
	startup, liveness *probe.Spec
	runs              [2][]probeRun // by probe.Kind
	lasts             time.Duration
}

// TestProbes lets the kubelet's own probe workers, in a bubble with a clock of its own, and ours run the
// same probes with the same outcomes, and wants them to do the same at the same times.
func TestProbes(t *testing.T) {
	verdicts := map[string]int{}
	for seed := range uint64(2000) {
		l := randomLife(rand.New(rand.NewPCG(seed, 1)))
		want, got := kubeletProbes(t, l), ourProbes(l)
		require.Equal(t, want, got, "seed %d: %+v", seed, l)
		for _, line := range got {
			_, what, _ := strings.Cut(line, " ")
			verdicts[what]++
		}
	}
	t.Logf("%v", verdicts)
	for _, line := range []string{"Startup runs", "Liveness runs", "Startup passed", "Startup failed", "Liveness failed"} {
		require.Positive(t, verdicts[line], line)
	}
}

func randomLife(r *rand.Rand) life {
	l := life{lasts: time.Duration(r.Int64N(int64(5 * time.Minute)))}
	if r.IntN(3) > 0 {
		l.startup = randomProbe(r)
	}
	if r.IntN(4) > 0 || l.startup == nil {
		l.liveness = randomProbe(r)
	}
	for kind := range l.runs {
		failing := r.IntN(100)
		for range 1000 {
			// Never a multiple of a millisecond: what happens at the same time as a tick is a race in the
			// kubelet.
			run := probeRun{takes: time.Duration(r.IntN(1500))*time.Millisecond + time.Duration(1+r.IntN(999)), outcome: probe.Success}
			if r.IntN(10) == 0 {
				run.takes += time.Duration(r.IntN(20)) * time.Second
			}
			if r.IntN(100) < failing {
				run.outcome = probe.Failure
			}
			if r.IntN(10) == 0 {
				run.outcome = probe.Unknown
			}
			l.runs[kind] = append(l.runs[kind], run)
		}
	}
	return l
}

func randomProbe(r *rand.Rand) *probe.Spec {
	s := &probe.Spec{
		Exec: &probe.ExecAction{Command: []string{"probe"}}, PeriodSeconds: 1 + r.Int32N(12),
		TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 1 + r.Int32N(5),
	}
	if r.IntN(2) == 0 {
		s.InitialDelaySeconds = r.Int32N(40)
	}
	if r.IntN(10) == 0 {
		s.SuccessThreshold = 2 // validation refuses it; the workers know what to do
	}
	return s
}

// ourProbes is what a probe.Worker does in that life, a line each: time and what.
func ourProbes(l life) (lines []string) {
	type ending struct {
		at  int64
		run probe.Run
		how probe.Outcome
	}
	w := probe.NewWorker(l.startup, l.liveness)
	w.Started(0)
	var endings []ending
	var runs [2]int
	say := func(at int64, what string) { lines = append(lines, fmt.Sprint(time.Duration(at), " ", what)) }
	for {
		now, ok := w.Next()
		slices.SortFunc(endings, func(a, b ending) int { return cmp.Compare(a.at, b.at) })
		if len(endings) > 0 && (!ok || endings[0].at <= now) {
			e := endings[0]
			endings, now, ok = endings[1:], e.at, true
			if now < int64(l.lasts) {
				switch w.Result(e.run, e.how, now) {
				case probe.StartupPassed:
					say(now, "Startup passed")
				case probe.Failed:
					say(now, e.run.Kind.String()+" failed")
				}
			}
		}
		if !ok || now >= int64(l.lasts) {
			return lines
		}
		for run, ok := w.Due(now); ok; run, ok = w.Due(now) {
			script := l.runs[run.Kind][runs[run.Kind]]
			runs[run.Kind]++
			say(now, run.Kind.String()+" runs")
			endings = append(endings, ending{now + int64(script.takes), run, script.outcome})
		}
	}
}

// kubeletProbes is what the kubelet does in that life, in a Pod whose workers are made when the container
// is started.
func kubeletProbes(t *testing.T, l life) (lines []string) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKubelet{life: l, liveness: results.NewManager(), startup: results.NewManager()}
		manager := prober.NewManager(k, k.liveness, results.NewManager(), k.startup, k, &record.FakeRecorder{})
		time.Sleep(time.Hour) // a kubelet that was just started spreads the probes
		k.start = time.Now()
		pod := k.pod()
		manager.AddPod(t.Context(), pod)
		synctest.Wait() // the workers have seen that there is no container yet
		k.runs()
		end := time.After(l.lasts)
		for done := false; !done; {
			select {
			case u := <-k.liveness.Updates():
				if u.Result == results.Failure {
					k.say("Liveness failed")
				}
			case u := <-k.startup.Updates():
				switch u.Result {
				case results.Success:
					k.say("Startup passed")
				case results.Failure:
					k.say("Startup failed")
				}
			case <-end:
				done = true
			}
		}
		k.mu.Lock()
		lines = slices.Clone(k.lines)
		k.mu.Unlock()
		manager.RemovePod(pod)
		time.Sleep(time.Hour)
	})
	return lines
}

// fakeKubelet is all that the kubelet's probe workers see of the kubelet. Of the status.Manager they
// call GetPodStatus only.
type fakeKubelet struct {
	status.Manager
	life              life
	liveness, startup results.Manager
	start             time.Time

	mu      sync.Mutex
	running bool
	lines   []string
	counts  [2]int
}

const containerID = "test://c"

func (k *fakeKubelet) pod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "n", UID: "u"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "c", StartupProbe: upstreamProbe(k.life.startup, probe.Startup), LivenessProbe: upstreamProbe(k.life.liveness, probe.Liveness),
		}}},
	}
}

// upstreamProbe has a command that says which probe it is.
func upstreamProbe(s *probe.Spec, kind probe.Kind) *corev1.Probe {
	if s == nil {
		return nil
	}
	return &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{strconv.Itoa(int(kind))}}},
		InitialDelaySeconds: s.InitialDelaySeconds, TimeoutSeconds: s.TimeoutSeconds, PeriodSeconds: s.PeriodSeconds,
		SuccessThreshold: s.SuccessThreshold, FailureThreshold: s.FailureThreshold,
	}
}

func (k *fakeKubelet) runs() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running = true
}

func (k *fakeKubelet) say(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = append(k.lines, fmt.Sprint(time.Since(k.start), " ", what))
}

// GetPodStatus has the container started as the kubelet does (pkg/kubelet/prober/prober_manager.go,
// isContainerStarted).
func (k *fakeKubelet) GetPodStatus(types.UID) (corev1.PodStatus, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.running {
		return corev1.PodStatus{Phase: corev1.PodPending}, true
	}
	started := k.life.startup == nil
	if result, ok := k.startup.Get(kubecontainer.ParseContainerID(containerID)); ok {
		started = result == results.Success
	}
	return corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "c", ContainerID: containerID, Started: new(started),
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(k.start)}},
	}}}, true
}

// RunInContainer runs a probe.
func (k *fakeKubelet) RunInContainer(_ context.Context, _ kubecontainer.ContainerID, command []string, _ time.Duration) ([]byte, error) {
	kind, err := strconv.Atoi(command[0])
	if err != nil {
		return nil, err
	}
	k.say(probe.Kind(kind).String() + " runs")
	k.mu.Lock()
	run := k.life.runs[kind][k.counts[kind]]
	k.counts[kind]++
	k.mu.Unlock()
	time.Sleep(run.takes)
	switch run.outcome {
	case probe.Success:
		return nil, nil
	case probe.Failure:
		return nil, exec.CodeExitError{Err: errors.New("exit status 1"), Code: 1}
	default:
		return nil, errors.New("could not be run")
	}
}
