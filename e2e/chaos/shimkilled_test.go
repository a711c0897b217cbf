//go:build e2e

package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/e2e/chaos/tracer"
	"restartrules.dev/e2e/record"
	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// report is in front of a shim's report of its state, or behind it.
type report struct {
	container string
	is        wire.Is
	before    bool
	// random says that it was some time in a restart, and not at a report.
	random bool
}

func (r report) String() string {
	side := "after"
	if r.before {
		side = "before"
	}
	return fmt.Sprintf("%s, %s saying %s", r.container, side, r.is)
}

// heard says whether the watcher has heard of the exit that is to restart the Pod.
func (r report) heard() bool { return r.container != source || r.is != wire.IsAsks || !r.before }

// reports are what the shims say in a restart.
func reports() (list []report) {
	for container, states := range map[string][]wire.Is{
		source:  {wire.IsAsks, wire.IsParked, wire.IsRunning},
		worker:  {wire.IsStopping, wire.IsParked, wire.IsRunning},
		sidecar: {wire.IsStopping, wire.IsParked, wire.IsRunning},
		twin:    {wire.IsParked, wire.IsRunning, wire.IsEnded},
	} {
		for _, is := range states {
			list = append(list, report{container: container, is: is, before: true}, report{container: container, is: is})
		}
	}
	return list
}

const (
	killShim = "shim killed"
	// shimRounds is how often each shim is killed in front of each of its reports, and behind it, where the kubelet starts the
	// container again, and as often one in each Pod at some time in a restart. Where the kubelet doesn't, it is once. In all each
	// shim is killed more than 200 times.
	shimRounds = 24
	// shimPods is how many Pods share that, and endPods how many there are at a time where each kill needs one.
	shimPods = 12
	endPods  = 6
)

// Where the kubelet starts a container again whose shim was killed, the Pod gets to where it was going.
func TestShimIsKilledAtEveryReport(t *testing.T) {
	t.Parallel()
	for i := range shimPods {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			p, random := newPod(t, shape{policy: corev1.RestartPolicyOnFailure}), newRandom(t)
			p.restart() // so that the twin has an end to report
			var mine []report
			for k, r := range reports() {
				if k%shimPods == i {
					for range shimRounds {
						mine = append(mine, r)
					}
				}
			}
			random.Shuffle(len(mine), func(i, k int) { mine[i], mine[k] = mine[k], mine[i] })
			for _, r := range mine {
				p.killShimAt(r)
				p.comesBack(r)
			}
			for k := range shimRounds {
				name := []string{sidecar, source, worker, twin}[(i+k)%4]
				p.killShimWithin(random, name)
				p.comesBack(report{container: name, random: true})
			}
			// And nothing is left of all that.
			p.restart()
		})
	}
}

// Where it doesn't, the container has ended. The next restart of the Pod then ends the Pod.
func TestShimIsKilledForGoodAtEveryReport(t *testing.T) {
	t.Parallel()
	todo := make(chan report, len(reports()))
	for _, r := range reports() {
		todo <- r
	}
	close(todo)
	for i := range endPods {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			for r := range todo {
				t.Run(strings.Map(func(c rune) rune {
					if c == ' ' || c == ',' {
						return '-'
					}
					return c
				}, r.String()), func(t *testing.T) {
					p := newPod(t, shape{policy: corev1.RestartPolicyNever})
					p.restart()
					p.killShimAt(r)
					if r.container == sidecar {
						p.comesBack(r)
						return
					}
					p.endsWithout(r)
				})
			}
		})
	}
}

// killShimAt has the Pod restart, and kills the shim at that report.
func (p *pod) killShimAt(r report) {
	p.Helper()
	shim, err := p.shim(r.container)
	require.NoError(p, err)
	wanted := []byte(" is=" + string(r.is) + " ")
	killed := false
	err = p.traced([]int{shim.pid}, false, func(c *tracer.Call) (tracer.Verdict, bool) {
		text, ok := c.Sent()
		if !ok || c.Entry != r.before || !bytes.HasPrefix(text, []byte("state ")) || !bytes.Contains(text, wanted) {
			return tracer.Continue, false
		}
		killed = true
		return tracer.Kill, true
	}, func() error { return p.exit(source) })
	require.NoError(p, err, "%s: %s\n%s", r, p.story(), p.logs())
	require.True(p, killed, "%s: %s", r, p.story())
	faults.add(killShim, r.String())
	p.shimDied = true
	p.nothingLeft(shim)
}

// killShimWithin kills the shim a random time after an exit that restarts the Pod.
func (p *pod) killShimWithin(random *rand.Rand, container string) {
	p.Helper()
	shim, err := p.shim(container)
	require.NoError(p, err)
	require.NoError(p, p.exit(source))
	time.Sleep(time.Duration(random.Int64N(int64(randomWithin))))
	require.NoError(p, syscall.Kill(shim.pid, syscall.SIGKILL))
	faults.add(killShim, container+", at random")
	p.shimDied = true
	p.nothingLeft(shim)
}

// nothingLeft waits until no process of the shim's container is there any more.
func (p *pod) nothingLeft(shim process) {
	p.Helper()
	err := eventually(p.Context(), "nothing is left of the container", func() error {
		text, err := os.ReadFile(filepath.Join(shim.group, "cgroup.procs"))
		if os.IsNotExist(err) || err == nil && len(bytes.TrimSpace(text)) == 0 || errors.Is(err, syscall.ENODEV) {
			return nil
		}
		return errors.Join(err, fmt.Errorf("processes %q", text))
	})
	require.NoError(p, err, p.story())
}

// comesBack waits until the Pod runs again after a shim was killed. Its own container may have been started once more than
// the others: by the kubelet. A restart that the watcher has heard of has taken place.
func (p *pod) comesBack(r report) {
	p.Helper()
	least := 1
	if !r.heard() || r.container == source && r.random {
		least = 0 // the exit may have died with the shim: its container has ended with 137, and no more
	}
	err := eventually(p.Context(), "the Pod runs after "+r.String(), func() error {
		// What a shim that is killed had begun is begun again.
		if err := p.runs(least, 2); err != nil {
			return err
		}
		if e, err := p.journal(); err != nil || e.Phase != machine.Running {
			return fmt.Errorf("the journal's phase is %s (%w)", e.Phase, err)
		}
		return nil
	})
	if err != nil {
		faults.missed()
		require.NoError(p, err, "%s: %s\n%s", r, p.story(), p.logs())
	}
	if r.is != "" || r.random {
		p.checkKilled(r.container)
	}
	e, err := p.journal()
	require.NoError(p, err)
	require.LessOrEqual(p, e.Gen, p.restarts+1, "%s: %s", r, p.story())
	if least > 0 {
		require.Equal(p, p.restarts+1, e.Gen, "%s: %s", r, p.story())
		require.Equal(p, restartCode, e.Code, "%s: %s", r, p.story())
	}
	p.checkAlone(r.String())
	p.level()
	p.restarts = e.Gen
}

// checkKilled checks that the kubelet has started the container again whose shim was killed, and knows how it had ended. That
// it may have forgotten: of containers that don't run its garbage collection keeps the newest, which for a moment is the one
// that is about to start (upstream: pkg/kubelet/kuberuntime/kuberuntime_gc.go, evictableContainers).
func (p *pod) checkKilled(container string) {
	p.Helper()
	err := eventually(p.Context(), "the kubelet's status of "+container, func() error {
		status := p.get().Status
		for _, s := range slices.Concat(status.InitContainerStatuses, status.ContainerStatuses) {
			if s.Name != container {
				continue
			}
			end := s.LastTerminationState.Terminated
			if s.State.Running == nil || s.RestartCount <= p.counted[container] || end != nil && (end.ExitCode != 137 || end.ContainerID == s.ContainerID) {
				return fmt.Errorf("%+v", s)
			}
			if end == nil {
				p.Logf("the kubelet has forgotten how %s had ended", container)
			}
			p.counted[container] = s.RestartCount
			return nil
		}
		return errors.New("it has none")
	})
	require.NoError(p, err, p.story())
}

// level takes the starts as they are for what is expected.
func (p *pod) level() {
	p.Helper()
	for name, r := range p.records {
		events, err := r.read()
		require.NoError(p, err)
		p.starts[name] = record.Starts(events)
	}
}

// endsWithout waits until the Pod has settled without a container whose shim was killed, has it restart once more, and
// checks that this ends it, with all codes.
func (p *pod) endsWithout(r report) {
	p.Helper()
	var ended bool
	err := eventually(p.Context(), "the Pod goes on without "+r.container, func() error {
		got := p.get()
		if ended = got.Status.Phase == corev1.PodFailed; ended {
			return nil
		}
		if code, ok := exitCode(got, r.container); !ok || code != 137 {
			return fmt.Errorf("container %s has not ended with 137", r.container)
		}
		e, err := p.journal()
		if err != nil || e.Phase != machine.Running && e.Phase != machine.Failing && e.Phase != machine.Ending {
			return fmt.Errorf("the journal's phase is %s (%w)", e.Phase, err)
		}
		if e.Phase != machine.Running {
			return errors.New("the Pod is ending")
		}
		for _, name := range running {
			if _, err := p.app(name); err != nil && name != r.container {
				return err
			}
		}
		return nil
	})
	if err != nil {
		faults.missed()
		require.NoError(p, err, "%s: %s\n%s", r, p.story(), p.logs())
	}
	if !ended && r.container == source {
		require.NoError(p, p.exit(worker)) // with 0: nothing is left that could restart the Pod
	} else if !ended {
		require.NoError(p, p.exit(source))
	}
	got := p.waitPhase(corev1.PodFailed)
	code, _ := exitCode(got, r.container)
	require.EqualValues(p, 137, code, r.container)
	if r.container == source {
		if !ended {
			code, _ = exitCode(got, worker)
			require.Zero(p, code, "worker has exited with 0: %s", p.logs())
		}
		return
	}
	code, _ = exitCode(got, source)
	require.EqualValues(p, restartCode, code, "source's code is what has ended the Pod: %s", p.logs())
}

func exitCode(got *corev1.Pod, container string) (code int32, ended bool) {
	for _, s := range got.Status.ContainerStatuses {
		if s.Name == container && s.State.Terminated != nil {
			return s.State.Terminated.ExitCode, true
		}
	}
	return 0, false
}
