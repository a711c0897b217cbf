package supervise_test

import (
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// undead makes a process one that outlives SIGKILL, until it is let go: it stays a zombie that nobody
// but this thread can reap. The test has to stay on its thread.
func undead(t *testing.T, pid string) (letGo func()) {
	t.Helper()
	runtime.LockOSThread()
	n, err := strconv.Atoi(pid)
	require.NoError(t, err)
	if err := syscall.PtraceAttach(n); err != nil {
		t.Skipf("can't trace processes here: %v", err)
	}
	var status syscall.WaitStatus
	wait := func() {
		_, err := syscall.Wait4(n, &status, syscall.WALL, nil)
		require.NoError(t, err)
	}
	wait()
	require.True(t, status.Stopped())
	require.NoError(t, syscall.PtraceCont(n, 0))
	return func() {
		for !status.Signaled() {
			if status.Stopped() {
				_ = syscall.PtraceCont(n, int(status.StopSignal()))
			}
			wait()
		}
		runtime.UnlockOSThread()
	}
}

const shortKillTimeout = "--kill-timeout=50ms"

func TestTheCommandOutlivesSIGKILL(t *testing.T) {
	stuck := func(t *testing.T) (*conversation, func()) {
		c := converse(t, []string{member, byCode, shortKillTimeout}, stubborn)
		c.do(runs)
		letGo := undead(t, c.variables["$pid"])
		c.do(`
			> stop gen=1 grace=0 pre=0
			< state gen=1 is=stopping
			< state gen=1 is=stuck pid=$pid name=sh
			> run gen=1
			< state gen=1 is=stuck pid=$pid
			reconnect
			< state gen=1 is=stuck pid=$pid name=sh`)
		return c, letGo
	}
	t.Run("and goes after all", func(t *testing.T) {
		c, letGo := stuck(t)
		letGo()
		c.do("< state gen=1 is=parked code=137 pid=0\n> run gen=1\n< state is=running attempt=2\n| ready")
		c.end()
	})
	t.Run("and the container is to end", func(t *testing.T) {
		c, letGo := stuck(t)
		c.do("> end code=9\nexit 9")
		letGo()
	})
}

func TestAChildOutlivesSIGKILL(t *testing.T) {
	// The child is the shim's by then.
	stuck := func(t *testing.T) (*conversation, func()) {
		c := converse(t, []string{member, byCode, shortKillTimeout}, sh(`(setsid sh -c 'echo $$; while :; do sleep 0.01; done' &); read x`), pipeStdin(t))
		c.do("< state is=new\n> run gen=0\n< state is=running")
		child := c.line()
		letGo := undead(t, child)
		c.do(`
			> stop gen=1 grace=0 pre=0
			< state gen=1 is=stopping
			< state gen=1 is=stuck pid=` + child + ` name=sh
			> stop gen=2 grace=0 pre=0
			< state gen=2 is=stuck pid=` + child)
		return c, letGo
	}
	t.Run("and goes after all", func(t *testing.T) {
		c, letGo := stuck(t)
		letGo()
		c.do(`
			< state gen=2 is=parked code=137 pid=0
			> run gen=2
			< state is=running attempt=2
			> stop gen=3 grace=0 pre=0
			until state is=parked
			> end code=0`)
		_, code := c.wait()
		require.Zero(t, code)
	})
	t.Run("and the container is to end", func(t *testing.T) {
		c, letGo := stuck(t)
		c.do("> end code=-1\nexit 137")
		letGo()
	})
}
