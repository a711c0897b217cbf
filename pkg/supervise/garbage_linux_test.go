package supervise

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/supervise/fixedpath"
	"restartrules.dev/pkg/supervise/spawn"
	"restartrules.dev/pkg/wire"
)

// A restart leaves no garbage: a shim's memory does not grow, and nothing ever has to be collected
// while a process waits to be started.
func TestARestartAllocatesNothing(t *testing.T) {
	for _, scope := range []scope{descendants, group} {
		s := newTestSupervisor(t, scope, exittable.Restart, "true")
		var end ended
		attempt := 0
		require.Zero(t, testing.AllocsPerRun(50, func() {
			attempt++
			require.NoError(t, s.attempts.starting(attempt, last{attempt: attempt - 1, reason: reasonCompleted}))
			end = s.attempt(attempt, end)
			require.True(t, s.again(&end))
		}))
	}
}

// Nor does one while the Pod is paused.
func TestARestartWhilePausedAllocatesNothing(t *testing.T) {
	s := newTestSupervisor(t, descendants, exittable.End, "true")
	require.NoError(t, wire.WritePaused(s.Dir, wire.PausedAlways))
	var end ended
	attempt := 0
	require.Zero(t, testing.AllocsPerRun(50, func() {
		attempt++
		require.NoError(t, s.attempts.starting(attempt, last{attempt: attempt - 1, reason: reasonCompleted}))
		end = s.attempt(attempt, end)
		require.True(t, s.again(&end))
	}))
}

// Nor does one of a member.
func TestAMembersRestartAllocatesNothing(t *testing.T) {
	for _, scope := range []scope{descendants, group} {
		s := newTestSupervisor(t, scope, exittable.Restart, "true")
		s.obey(wire.Message{Verb: wire.Run})
		require.Zero(t, testing.AllocsPerRun(50, func() {
			pid, _, over := s.rest()
			require.True(t, pid != 0 && !over)
			code := s.reap()
			s.settle(code, wire.Now(), s.clear())
		}))
	}
}

// Nor does a restart of the whole Pod, as far as this container's shim has to do with it.
func TestStoppingAndRunningAllocatesNothing(t *testing.T) {
	for _, scope := range []scope{descendants, group} {
		s := newTestSupervisor(t, scope, exittable.End, "sleep", "1000")
		gen := 0
		require.Zero(t, testing.AllocsPerRun(50, func() {
			s.obey(wire.Message{Verb: wire.Run, Gen: gen})
			pid, _, over := s.rest()
			require.True(t, pid != 0 && !over)
			gen++
			s.obey(wire.Message{Verb: wire.Stop, Gen: gen, Grace: 60000})
			code := s.reap()
			s.settle(code, wire.Now(), s.clear())
			require.True(t, s.member.said.Is == wire.IsParked)
		}))
	}
}

// newTestSupervisor is one whose table has one action, without a connection to a watcher.
func newTestSupervisor(t *testing.T, scope scope, action exittable.Action, argv ...string) *supervisor {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	// As the kernel lists the shim, alone in its container.
	list := filepath.Join(dir, "cgroup.procs")
	require.NoError(t, os.WriteFile(list, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644))
	command, err := spawn.New(argv, os.Environ(), false)
	require.NoError(t, err)
	table := exittable.Uniform(exittable.Step{Action: action, Rule: exittable.Policy})
	s := &supervisor{
		Config:   Config{Container: "app", Dir: dir, Seam: SeamOff, Table: table, KillTimeout: DefaultKillTimeout},
		self:     os.Getpid(),
		scope:    scope,
		own:      fixedpath.New(list),
		counter:  exittable.NewCounter(table, nil),
		command:  command,
		stop:     make(chan struct{}),
		link:     newLink("", reconnectMember),
		attempts: newAttemptFile(dir, "app"),
		mark:     fixedpath.New(filepath.Join(dir, wire.MarkName)),
		ownMark:  fixedpath.New(filepath.Join(dir, "attempt", wire.MarkName)),
		paused:   fixedpath.New(filepath.Join(dir, wire.PausedName)),
	}
	s.member.said = wire.Message{Verb: wire.State, Is: wire.IsNew}
	return s
}
