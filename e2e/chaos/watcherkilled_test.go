//go:build e2e

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/e2e/chaos/tracer"
	"restartrules.dev/pkg/watcher/machine"
)

const (
	// killsOfEach is how often watchers are killed in front of the writes of each phase, and behind them.
	killsOfEach = 20
	// podsOfEach is how many Pods share that, of each restartPolicy.
	podsOfEach = 3
	// randomKills is how often the watcher of each Pod is killed at a random time.
	randomKills = 4
	// randomWithin is how long after an exit, at most.
	randomWithin = 15 * time.Millisecond
	// rest is how long a watcher has to live for its shim to bring it back at once, when it is killed.
	rest = 1050 * time.Millisecond
)

// moment is in front of a write of the journal, or behind it.
type moment struct {
	phase  machine.Phase
	before bool
}

func (m moment) String() string {
	if m.before {
		return m.phase.String() + ", before the write"
	}
	return m.phase.String() + ", after the write"
}

const killWatcher = "watcher killed, journal"

// A watcher that is killed in the middle of a restart goes on with it when it is back: each exit with the code is followed by
// one restart, and none is begun twice.
func TestWatcherIsKilledAtEveryWriteOfTheJournal(t *testing.T) {
	t.Parallel()
	t.Run("pods", func(t *testing.T) {
		for _, policy := range []corev1.RestartPolicy{corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure} {
			for i := range podsOfEach {
				t.Run(string(policy)+strconv.Itoa(i), func(t *testing.T) {
					t.Parallel()
					killWatchers(t, shape{policy: policy}, killsOfEach/podsOfEach/2+1,
						machine.Stopping, machine.Replaying, machine.Starting, machine.Running)
				})
			}
			t.Run(string(policy)+"-backoff", func(t *testing.T) {
				t.Parallel()
				killWatchers(t, shape{policy: policy, backoff: `{"initialDelay": "400ms", "maxDelay": "400ms"}`}, killsOfEach/2,
					machine.BackingOff)
			})
		}
	})
	for phase, least := range map[machine.Phase]int{machine.Stopping: killsOfEach, machine.BackingOff: killsOfEach, machine.Replaying: killsOfEach,
		machine.Starting: killsOfEach, machine.Running: killsOfEach, machine.Ending: killsOfEach / 2} {
		for _, before := range []bool{true, false} {
			m := moment{phase, before}
			require.GreaterOrEqual(t, faults.of(killWatcher, m.String()), least, m)
		}
	}
}

// killWatchers has a Pod restart again and again, its watcher being killed so often in each of the phases, in front of a write
// and behind it. At last the Pod ends.
func killWatchers(t *testing.T, s shape, each int, phases ...machine.Phase) {
	p, random := newPod(t, s), newRandom(t)
	if s.backoff != "" {
		p.restart() // the first never waits
	}
	writes := p.survey()
	for range 5 { // on a busy machine the back-off can be over before everything has stopped
		if writes[phases[0]] > 0 {
			break
		}
		writes = p.survey()
	}
	var moments []moment
	for _, phase := range phases {
		require.NotZero(t, writes[phase], "writes of phase %s", phase)
		for range each {
			moments = append(moments, moment{phase, true}, moment{phase, false})
		}
	}
	random.Shuffle(len(moments), func(i, k int) { moments[i], moments[k] = moments[k], moments[i] })
	for _, m := range moments {
		number := 1
		if m.phase != machine.Running { // there, what comes behind the first is no part of the restart
			number += random.IntN(writes[m.phase])
		}
		for tries := 0; !p.killWatcherAt(m, number); tries++ {
			require.Less(t, tries, 10, "%s is never there", m)
			number = 1 // there were fewer than before: reports come together, sometimes
		}
	}
	for range randomKills {
		p.killWatcherWithin(random)
	}
	p.checkUntouched()
	p.killWatcherAtTheEnd(s.policy == corev1.RestartPolicyNever)
}

// restart has the Pod restart, and nothing else happen.
func (p *pod) restart() {
	p.Helper()
	require.NoError(p, p.exit(source))
	p.restarted()
}

// entry is what matters here of an entry that is written to the journal.
func entry(c *tracer.Call) (phase machine.Phase, gen int, ok bool) {
	text, ok := c.Written()
	if !ok {
		return 0, 0, false
	}
	var seq, at int64
	_, err := fmt.Sscanf(string(text), "seq=%d at=%d phase=%d gen=%d", &seq, &at, &phase, &gen)
	return phase, gen, err == nil
}

// traced has something done while processes are traced, until that is done and judge has returned done, or too much
// time has gone by.
func (p *pod) traced(pids []int, follow bool, judge func(c *tracer.Call) (v tracer.Verdict, done bool), act func() error) error {
	ctx, cancel := context.WithTimeout(p.Context(), patience/2)
	defer cancel()
	attached, result := make(chan struct{}), make(chan error, 1)
	go func() {
		result <- tracer.Trace(ctx, pids, tracer.Options{Follow: follow, Attached: func() { close(attached) }}, func(c *tracer.Call) tracer.Verdict {
			v, done := judge(c)
			if done {
				cancel()
			}
			return v
		})
	}()
	select {
	case err := <-result:
		return errors.Join(errors.New("not traced"), err)
	case <-attached:
	}
	errAct := act()
	err := errors.Join(errAct, <-result)
	if err == nil && ctx.Err() == context.DeadlineExceeded {
		err = errors.New("it did not come that far while it was traced")
	}
	return err
}

// survey is how many writes a restart has, by phase.
func (p *pod) survey() map[machine.Phase]int {
	p.Helper()
	writes := map[machine.Phase]int{}
	w, err := p.watcher()
	require.NoError(p, err)
	err = p.traced([]int{w.pid}, false, func(c *tracer.Call) (tracer.Verdict, bool) {
		phase, gen, ok := entry(c)
		if !ok || gen != p.restarts+1 || c.Entry {
			return tracer.Continue, false
		}
		writes[phase]++
		return tracer.Continue, phase == machine.Running
	}, func() error { return p.exit(source) })
	require.NoError(p, err, p.story())
	p.restarted()
	return writes
}

// killWatcherAt has the Pod restart, and kills the watcher at that moment of the phase's write of that number. It returns false
// if the phase had fewer.
func (p *pod) killWatcherAt(m moment, number int) (killed bool) {
	p.Helper()
	time.Sleep(rest)
	w, err := p.watcher()
	require.NoError(p, err)
	seen := 0
	err = p.traced([]int{w.pid}, false, func(c *tracer.Call) (tracer.Verdict, bool) {
		phase, gen, ok := entry(c)
		if !ok || gen != p.restarts+1 {
			return tracer.Continue, killed
		}
		if phase == m.phase && c.Entry {
			seen++
		}
		if phase == m.phase && c.Entry == m.before && seen == number {
			killed = true
			return tracer.Kill, true
		}
		return tracer.Continue, phase == machine.Running && !c.Entry // too late
	}, func() error { return p.exit(source) })
	require.NoError(p, err, "%s: %s\n%s", m, p.story(), p.logs())
	if killed {
		faults.add(killWatcher, m.String())
	}
	p.restarted()
	return killed
}

// killWatcherWithin kills the watcher a random time after an exit.
func (p *pod) killWatcherWithin(random *rand.Rand) {
	p.Helper()
	time.Sleep(rest)
	delay := time.Duration(random.Int64N(int64(randomWithin)))
	w, err := p.watcher()
	require.NoError(p, err)
	require.NoError(p, p.exit(source))
	time.Sleep(delay)
	require.NoError(p, syscall.Kill(w.pid, syscall.SIGKILL))
	faults.add("watcher killed", "at random")
	p.restarted()
}

// killWatcherAtTheEnd has the Pod end, and kills one watcher after the other at the writes that belong to that; third says at
// which side of its write the third.
func (p *pod) killWatcherAtTheEnd(third bool) {
	p.Helper()
	time.Sleep(rest)
	w, err := p.watcher()
	require.NoError(p, err)
	shim, err := p.watcherShim()
	require.NoError(p, err)
	// The first write of the phase and its repetition, and then one of what comes of it.
	sides := []bool{true, false, third, !third}
	var done atomic.Int32
	err = p.traced([]int{shim.pid, w.pid}, true, func(c *tracer.Call) (tracer.Verdict, bool) {
		n := int(done.Load())
		if phase, _, ok := entry(c); n < len(sides) && ok && phase == machine.Ending && c.Entry == sides[n] {
			done.Add(1)
			faults.add(killWatcher, moment{machine.Ending, sides[n]}.String())
			return tracer.Kill, n+1 == len(sides)
		}
		return tracer.Continue, false
	}, func() error {
		if err := errors.Join(p.exit(worker), p.order(0)); err != nil {
			return err
		}
		// Of the others there may be none.
		return within(p.Context(), patience/2, "killed at the end", func() error {
			if n := done.Load(); n < 2 {
				return fmt.Errorf("%d times", n)
			}
			return nil
		})
	})
	if done.Load() < 2 {
		require.NoError(p, err, "%s\n%s", p.story(), p.logs())
	}
	got := p.waitPhase(corev1.PodSucceeded)
	for _, s := range got.Status.ContainerStatuses {
		require.NotNil(p, s.State.Terminated, s.Name)
		require.Zero(p, s.State.Terminated.ExitCode, s.Name)
		require.Zero(p, s.RestartCount, s.Name)
	}
}
