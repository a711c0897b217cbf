package supervise_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/wire"
)

// A container that decides by itself is started again when the watcher says so, whatever its table says.
func TestAContainerIsRestartedOnDemand(t *testing.T) {
	for name, role := range map[string][]string{"alone": nil, "own": {"--pod=own"}} {
		t.Run(name, func(t *testing.T) {
			c := converse(t, append(role, "--on-exit=0-255:end", "--backoff=none"), untilTold)
			c.do(`
				until started attempt=1
				| ready
				> kill grace=60000 judge=0
				until exited attempt=1 code=7 action=restart rule=-1
				until started attempt=2
				| ready
				> kill grace=60000 judge=1
				exit 7`)
			require.Contains(t, c.stderr.String(), "attempt=1 exitCode=7 rule=restartPolicy action=Restart nextAttempt=2 wait=0s\n")
		})
	}
}

func TestARestartOnDemandKillsWhatDoesNotEnd(t *testing.T) {
	converse(t, []string{"--on-exit=0-255:end", "--backoff=none"}, sh(`trap "" TERM; echo ready; [ -e /proc/self ] && read code; exit $code`), pipeStdin(t)).do(`
		until started attempt=1
		| ready
		> kill grace=30 judge=0
		until exited attempt=1 code=137 action=restart
		| ready
		stdin 3
		exit 3`)
}

// Who wants a restart doesn't want to wait for the back-off.
func TestADemandEndsTheBackOff(t *testing.T) {
	for name, role := range map[string][]string{"alone": nil, "own": {"--pod=own"}} {
		t.Run(name, func(t *testing.T) {
			c := converse(t, append(role, "--on-exit=0-255:restart/0", "--backoff=1h/1h/1h"), obedient, pipeStdin(t))
			c.do(`
				until started attempt=1
				| ready
				stdin 42
				until exited attempt=1 code=42 action=restart wait=0
				| ready
				stdin 42
				until exited attempt=2 code=42 action=restart wait=3600000000
				> kill grace=0 judge=0
				until started attempt=3
				| ready`)
			c.end()
		})
	}
}

// While the Pod is paused no rule acts, the Pod's own policy does, and nothing is counted.
func TestPaused(t *testing.T) {
	const table = "--on-exit=0:end,1-41:end,42:restart/0*1|end,43-255:end"
	for name, role := range map[string][]string{"alone": nil, "own": {"--pod=own"}} {
		t.Run(name, func(t *testing.T) {
			for _, test := range []struct {
				paused wire.Paused
				steps  string
			}{
				{wire.PausedEnd, `
					stdin 42
					exit 42`},
				{wire.PausedAlways, `
					stdin 0
					| ready
					stdin 3
					| ready`},
				{wire.PausedOnFailure, `
					stdin 3
					| ready
					stdin 42
					| ready
					stdin 0
					exit 0`},
				{wire.NotPaused, `
					stdin 42
					| ready
					stdin 42
					exit 42`},
			} {
				t.Run(string(test.paused), func(t *testing.T) {
					c := converse(t, append(role, table, "--backoff=none"), obedient, pipeStdin(t))
					c.do("| ready")
					require.NoError(t, wire.WritePaused(c.dir, test.paused))
					c.do(test.steps)
					c.end()
				})
			}
		})
	}
}

// A rule's restarts are not used up while the Pod is paused, and act again when it is resumed.
func TestResumed(t *testing.T) {
	c := converse(t, []string{"--on-exit=0-41:end,42:restart/0*1|end,43-255:end", "--backoff=none"}, obedient, pipeStdin(t))
	c.do("| ready")
	require.NoError(t, wire.WritePaused(c.dir, wire.PausedAlways))
	c.do(`
		stdin 42
		until exited attempt=1 code=42 action=restart rule=-1
		| ready`)
	require.NoError(t, wire.WritePaused(c.dir, wire.NotPaused))
	c.do(`
		stdin 42
		until exited attempt=2 code=42 action=restart rule=0
		| ready
		stdin 42
		exit 42`)
}

// A restart of the whole Pod that is under way goes on; the exit of a member that asks for one ends it.
func TestAPausedMember(t *testing.T) {
	c := converse(t, []string{member, byCode}, obedient, pipeStdin(t))
	c.do(`
		> run gen=0
		until state is=running attempt=1
		| ready`)
	require.NoError(t, wire.WritePaused(c.dir, wire.PausedEnd))
	c.do(`
		> stop gen=1 grace=0 pre=0
		until state is=parked gen=1
		> run gen=1
		until state is=running attempt=2
		| ready
		stdin 88
		until state is=ended code=88
		> end code=-1
		exit 88`)
	require.Contains(t, c.stderr.String(), "the Pod is paused: no rule acts on exit code 88, the Pod's restartPolicy does")
}

// What makes no sense pauses nothing.
func TestNonsenseDoesNotPause(t *testing.T) {
	c := converse(t, []string{"--on-exit=0-41:end,42:restart/0,43-255:end", "--backoff=none"}, obedient, pipeStdin(t))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, wire.PausedName), []byte("true"), 0o644))
	c.do(`
		| ready
		stdin 42
		| ready
		stdin 1
		exit 1`)
}
