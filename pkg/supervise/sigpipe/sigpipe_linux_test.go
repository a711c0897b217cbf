//go:build amd64 || arm64

package sigpipe

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Handlers are process-wide, so the tests share one pipe.
var pipe *Pipe

func TestMain(m *testing.M) {
	var err error
	if pipe, err = Install(); err != nil {
		println(err.Error())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestEverySignalArrivesWithItsSender(t *testing.T) {
	for n := 1; n <= lastSignal; n++ {
		switch syscall.Signal(n) {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, 32, 33:
			continue
		}
		if signal.Ignored(syscall.Signal(n)) {
			t.Logf("signal %d is ignored here, as under nohup, and is left so", n)
			continue
		}
		cmd := exec.Command("/bin/sh", "-c", "echo $$; exec kill -"+strconv.Itoa(n)+" "+strconv.Itoa(os.Getpid()))
		out, err := cmd.Output()
		require.NoError(t, err, "signal %d", n)
		s, err := pipe.Next()
		require.NoError(t, err)
		require.Equal(t, n, int(s.Number))
		require.Zero(t, s.Code, "sent by kill(2)")
		require.Equal(t, string(out), strconv.Itoa(int(s.PID))+"\n")
		require.False(t, s.FromOutside())
	}
}

func TestRuntimeSignalsStayWithTheRuntime(t *testing.T) {
	// A nil dereference still panics, and preemption (SIGURG to itself) still works.
	require.Panics(t, func() { var p *int; *p = 1 })
	done := make(chan struct{})
	go func() {
		for i := 0; i < 1e8; i++ {
			if i%1e6 == 0 {
				runtime.GC()
			}
		}
		close(done)
	}()
	<-done
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGURG)) // its own: not recorded
	require.NoError(t, exec.Command("kill", "-USR1", strconv.Itoa(os.Getpid())).Run())
	s, err := pipe.Next()
	require.NoError(t, err)
	require.Equal(t, syscall.SIGUSR1, s.Number)
}

// TestNoSignalOfChildren: children of the process are told to nobody but who waits for them.
func TestNoSignalOfChildren(t *testing.T) {
	now, err := swap(syscall.SIGCHLD, nil)
	require.NoError(t, err)
	require.Zero(t, now.handler)
	require.Zero(t, Caught()&(1<<(syscall.SIGCHLD-1)))
	require.NoError(t, exec.Command("true").Run())
}
