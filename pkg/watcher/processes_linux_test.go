package watcher

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process whose first thread has ended is a zombie by its state, and runs.
func TestAZombieWithLiveThreadsIsAlive(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3 for a process that ends its first thread only: ", err)
	}
	c := exec.Command(python, "-c", `
import ctypes, sys, threading
threading.Thread(target=lambda: sys.stdin.read()).start()
print("up", flush=True)
ctypes.CDLL(None).syscall(60 if sys.maxsize and __import__("platform").machine() == "x86_64" else 93, 0)`)
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "up\n", line)
	p := newProcesses()
	state := func() byte { s, _ := p.stat(c.Process.Pid); return s }
	require.Eventually(t, func() bool { return state() == 'Z' }, 10*time.Second, time.Millisecond)
	require.True(t, p.alive(c.Process.Pid))
	require.True(t, p.ending(c.Process.Pid), "which cgroup it is in may not be known")
	require.NoError(t, c.Process.Kill())
	require.Eventually(t, func() bool { return !p.alive(c.Process.Pid) }, 10*time.Second, time.Millisecond)
	require.Equal(t, byte('Z'), state(), "nobody has waited for it yet")
	require.NoError(t, in.Close())
	require.Error(t, c.Wait())
	require.True(t, p.alive(os.Getpid()))
	require.False(t, p.ending(os.Getpid()))
}
