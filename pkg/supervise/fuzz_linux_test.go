package supervise

import (
	"bytes"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/wire"
)

// FuzzOrders has a shim read what a watcher might send, message by message (in the input they are lines),
// in every state that it can be in, with a command that runs and without.
func FuzzOrders(f *testing.F) {
	for _, text := range []string{
		"ok\nok", "run gen=0\nrun gen=1\nstop gen=1 grace=2000 pre=1\nrun gen=1\nend code=-1", "stop gen=1 grace=0 pre=0\nend code=0",
		"kill grace=30000 judge=0\nkill grace=0 judge=1 attempt=3\nleave", "exec id=1 name=liveness timeout=1000\nexec id=2 name=preStop timeout=0",
		"no reason=\"x\"\nstate gen=-1\nhello version=9\nfuture key=value", "stop gen=9223372036854775807 grace=-9223372036854775808 pre=1",
	} {
		for is := range 8 {
			f.Add(uint8(is), is%2 == 0, []byte(text))
		}
	}
	states := []wire.Is{wire.IsNew, wire.IsRunning, wire.IsBackoff, wire.IsAsks, wire.IsEnded, wire.IsStopping, wire.IsParked, wire.IsStuck}
	// Never waited for: its id stays its own when it has been killed.
	command := exec.Command("sleep", "1000")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	require.NoError(f, command.Start())
	f.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	f.Fuzz(func(t *testing.T, is uint8, runs bool, text []byte) {
		s := &supervisor{Config: Config{KillTimeout: time.Hour}, stop: make(chan struct{})}
		s.link = newLink("", time.Hour)
		s.link.obey, s.link.changed, s.link.ring = s.obey, s.wakeUp, s.ring
		s.member.said = wire.Message{Verb: wire.State, Is: states[int(is)%len(states)], Gen: 1}
		if runs && s.member.said.Is != wire.IsStuck { // a stuck one ends the process when it is told to
			s.pid, s.member.busy = command.Process.Pid, true
		}
		shim, watcher := socketPair(t)
		done := make(chan struct{})
		go func() { defer close(done); s.link.connected(shim); s.link.read(shim) }()
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if len(line) > 0 { // as an empty one the end is read
				_ = syscall.Sendto(watcher, line, syscall.MSG_NOSIGNAL, nil)
			}
		}
		require.NoError(t, syscall.Shutdown(watcher, syscall.SHUT_WR))
		<-done
		s.link.disconnected(shim)
		// Whatever it was told, what it says can be read.
		buffer := make([]byte, 2*wire.MaxMessage)
		for {
			n, err := syscall.Read(watcher, buffer)
			if err != nil || n == 0 {
				break
			}
			_, err = wire.Parse(buffer[:n])
			require.NoError(t, err)
		}
		require.NoError(t, syscall.Close(watcher))
	})
}

// FuzzAttemptFile: the application can write whatever it likes into the file of its attempts.
func FuzzAttemptFile(f *testing.F) {
	f.Add([]byte(`{"version":"v1","container":"a","attempt":3,"lastExitCode":42,"lastReason":"Error","exitCode":7}`))
	f.Add([]byte(`"attempt":99999999999999999999`))
	f.Add([]byte(`"attempt":`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n, ok := number(text, `"attempt":`); ok {
			require.GreaterOrEqual(t, n, 0)
		}
	})
}

func socketPair(t *testing.T) (one, other int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	return fds[0], fds[1]
}
