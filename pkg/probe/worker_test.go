package probe

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// spec is a Spec of which only the numbers matter: initial delay, period, failures.
func spec(delay, period, failures int32) *Spec {
	return &Spec{InitialDelaySeconds: delay, PeriodSeconds: period, FailureThreshold: failures, SuccessThreshold: 1, TimeoutSeconds: 1}
}

// clocked is a worker with a clock in seconds.
type clocked struct {
	*testing.T
	*Worker
}

func at(s float64) int64 { return int64(s * float64(time.Second)) }

// dueAt says that the next probe is due then, and begins it.
func (c clocked) dueAt(s float64, kind Kind) Run {
	c.Helper()
	next, ok := c.Next()
	require.True(c, ok, "nothing is due")
	require.Equal(c, time.Duration(at(s)), time.Duration(next))
	run, ok := c.Due(next - 1)
	require.False(c, ok, "due too early: %v", run)
	run, ok = c.Due(next)
	require.True(c, ok)
	require.Equal(c, kind, run.Kind)
	return run
}

// probes says when the next probe is due, and gives it that outcome at once.
func (c clocked) probes(s float64, kind Kind, outcome Outcome, want Verdict) {
	c.Helper()
	require.Equal(c, want, c.Result(c.dueAt(s, kind), outcome, at(s)), "at %v", s)
}

func (c clocked) idle() {
	c.Helper()
	next, ok := c.Next()
	require.False(c, ok, "due at %v", time.Duration(next))
	_, ok = c.Due(at(1e6))
	require.False(c, ok)
}

func TestNoProbes(t *testing.T) {
	c := clocked{t, NewWorker(nil, nil)}
	require.False(t, c.Passed())
	c.Started(at(5))
	c.idle()
	require.True(t, c.Up())
	require.True(t, c.Passed())
	c.Stopped()
	require.False(t, c.Up())
	require.False(t, c.Passed())
}

func TestDownContainer(t *testing.T) {
	c := clocked{t, NewWorker(spec(0, 1, 1), spec(0, 1, 1))}
	c.idle()
	c.Started(0)
	c.Stopped()
	c.idle()
}

func TestFirstProbe(t *testing.T) {
	for _, test := range []struct {
		delay, period int32
		first, second float64
	}{
		{0, 10, 10, 20},
		{5, 10, 10, 20},
		{10, 10, 10, 20},
		{11, 10, 20, 30},
		{3, 1, 3, 4},
		{7, 3, 9, 12},
	} {
		c := clocked{t, NewWorker(nil, spec(test.delay, test.period, 3))}
		c.Started(at(100.5))
		c.probes(100.5+test.first, Liveness, Success, None)
		c.probes(100.5+test.second, Liveness, Success, None)
	}
}

func TestFailureThreshold(t *testing.T) {
	c := clocked{t, NewWorker(nil, spec(0, 2, 3))}
	c.Started(0)
	c.probes(2, Liveness, Failure, None)
	c.probes(4, Liveness, Failure, None)
	c.probes(6, Liveness, Success, None)
	c.probes(8, Liveness, Failure, None)
	c.probes(10, Liveness, Failure, None)
	c.probes(12, Liveness, Failure, Failed)
	c.idle() // until it is started again
	c.Started(at(20))
	c.probes(22, Liveness, Failure, None)
	c.probes(24, Liveness, Failure, None)
	c.probes(26, Liveness, Failure, Failed)
}

func TestStartupFirst(t *testing.T) {
	c := clocked{t, NewWorker(spec(0, 3, 2), spec(0, 2, 1))}
	c.Started(0)
	require.False(t, c.Passed())
	c.probes(3, Startup, Failure, None)
	c.probes(6, Startup, Success, StartupPassed)
	require.True(t, c.Passed())
	c.probes(8, Liveness, Success, None) // not 6: that tick came before the Pod had started
	c.probes(10, Liveness, Failure, Failed)
	c.idle()

	c.Started(at(100))
	require.False(t, c.Passed(), "started anew")
	c.probes(103, Startup, Failure, None)
	c.probes(106, Startup, Failure, Failed)
	c.idle()
	require.False(t, c.Passed())
}

func TestLivenessDelayAfterStartup(t *testing.T) {
	c := clocked{t, NewWorker(spec(0, 1, 1), spec(60, 10, 1))}
	c.Started(0)
	c.probes(1, Startup, Success, StartupPassed)
	c.probes(60, Liveness, Success, None)
}

func TestStartupOnly(t *testing.T) {
	c := clocked{t, NewWorker(spec(0, 1, 1), nil)}
	c.Started(0)
	c.probes(1, Startup, Success, StartupPassed)
	c.idle()
}

// Counts don't outlive a start, whatever ended the command.
func TestCountsStartAfresh(t *testing.T) {
	c := clocked{t, NewWorker(nil, spec(0, 1, 2))}
	c.Started(0)
	c.probes(1, Liveness, Failure, None)
	c.Stopped()
	c.Started(at(10))
	c.probes(11, Liveness, Failure, None)
	c.probes(12, Liveness, Failure, Failed)
}

func TestStaleResults(t *testing.T) {
	c := clocked{t, NewWorker(nil, spec(0, 1, 1))}
	c.Started(0)
	old := c.dueAt(1, Liveness)
	c.idle() // one at a time
	c.Stopped()
	require.Equal(t, None, c.Result(old, Failure, at(2)))
	c.Started(at(3))
	require.Equal(t, None, c.Result(old, Failure, at(3)))
	run := c.dueAt(4, Liveness)
	require.Equal(t, None, c.Result(old, Failure, at(4)), "while another runs")
	require.Equal(t, Failed, c.Result(run, Failure, at(4)))
	require.Equal(t, None, c.Result(run, Failure, at(4)), "twice")
}

// A probe that can't be run is tried three times, and then thrown away: it neither counts nor starts
// the counting over.
func TestUnknown(t *testing.T) {
	c := clocked{t, NewWorker(nil, spec(0, 10, 2))}
	c.Started(0)
	c.probes(10, Liveness, Failure, None)
	require.Equal(t, None, c.Result(c.dueAt(20, Liveness), Unknown, at(20.5)))
	require.Equal(t, None, c.Result(c.dueAt(20.5, Liveness), Unknown, at(21)))
	require.Equal(t, None, c.Result(c.dueAt(21, Liveness), Unknown, at(22)))
	require.Equal(t, None, c.Result(c.dueAt(30, Liveness), Unknown, at(30)))
	require.Equal(t, Failed, c.Result(c.dueAt(30, Liveness), Failure, at(30)))
}

// A probe that takes longer than its period runs again at once, and then at the ticks.
func TestSlowProbe(t *testing.T) {
	c := clocked{t, NewWorker(nil, spec(0, 2, 9))}
	c.Started(0)
	require.Equal(t, None, c.Result(c.dueAt(2, Liveness), Success, at(9)))
	next, ok := c.Next()
	require.True(t, ok)
	require.LessOrEqual(t, next, at(9))
	run, ok := c.Due(at(9))
	require.True(t, ok)
	require.Equal(t, None, c.Result(run, Success, at(9.5)))
	c.probes(10, Liveness, Success, None)
}
