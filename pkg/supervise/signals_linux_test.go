package supervise_test

import (
	"fmt"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForwardsEverySignal(t *testing.T) {
	var signals []syscall.Signal
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP, // can't be caught
			syscall.SIGCHLD, // the shim's own business
			syscall.SIGTERM, // last
			32, 33:          // the C library's own business
		default:
			if signal.Ignored(n) {
				t.Logf("signal %d is ignored here, as under nohup, so it is in the shim", int(n))
				continue
			}
			signals = append(signals, n)
		}
	}
	script := "trap 'echo 15; exit 7' TERM\n"
	for _, n := range signals {
		script += fmt.Sprintf("trap 'echo %d' %d\n", n, n)
	}
	s := start(t, []string{endAlways}, sh(script+"echo ready; while :; do sleep 0.01; done"))
	require.Equal(t, "ready", s.line())
	for _, n := range signals {
		s.signal(n)
		require.Equal(t, strconv.Itoa(int(n)), s.line())
	}
	s.signal(syscall.SIGTERM)
	lines, code := s.wait()
	require.Equal(t, []string{"15"}, lines)
	require.Equal(t, 7, code)
}

func TestASignalDuringBackoffIsNotForTheNextAttempt(t *testing.T) {
	s := start(t, []string{restart42, "--backoff=300ms/300ms/1h"}, sh(`echo $$; exit 42`))
	s.line()
	s.line()
	eventually(t, "back-off", func() bool { return strings.Contains(s.stderr.String(), "wait=300ms") })
	s.signal(syscall.SIGTERM) // from inside: there is nobody to get it
	require.NotEmpty(t, s.line(), "the third attempt")
	s.kill()
}

// kill ends the shim and, by that, what it runs.
func (s *shim) kill() {
	s.signal(syscall.SIGKILL)
	_ = s.cmd.Wait()
}

// The shim is PID 1 of a PID namespace here, as in a Pod that doesn't share one: this test is
// outside of it, as the container runtime is.
func TestStopFromOutsideIsNeverFollowedByARestart(t *testing.T) {
	for name, script := range map[string]string{
		"the command dies of it":     `echo ready; while :; do sleep 0.01; done`,
		"the command exits by rule":  `trap 'exit 143' TERM; echo ready; while :; do sleep 0.01; done`,
		"the command takes its time": `trap 'sleep 0.2; exit 143' TERM; echo ready; while :; do sleep 0.01; done`,
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, []string{restart143, noBackoff}, sh(script), inPIDNamespace(t))
			require.Equal(t, "ready", s.line())
			s.signal(syscall.SIGTERM)
			lines, code := s.wait()
			require.Empty(t, lines)
			require.Equal(t, 143, code)
		})
	}
}

func TestAnyStopSignalFromOutsideEndsIt(t *testing.T) {
	// STOPSIGNAL of an image may be any signal.
	for _, n := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGUSR1, 37} {
		s := start(t, []string{restartAll, noBackoff}, sh(`trap 'exit 3' `+strconv.Itoa(int(n))+`; echo ready; while :; do sleep 0.01; done`), inPIDNamespace(t))
		require.Equal(t, "ready", s.line())
		s.signal(n)
		_, code := s.wait()
		require.Equal(t, 3, code)
	}
}

func TestKillFromInsideIsJudgedByTheRules(t *testing.T) {
	s := start(t, []string{restart143, noBackoff}, sh(`
		echo ready
		[ -e $0.done ] && exit 9
		touch $0.done
		kill 1
		while :; do sleep 0.01; done`), inPIDNamespace(t), func(cmd *exec.Cmd) {
		cmd.Args = append(cmd.Args, t.TempDir()+"/x")
	})
	lines, code := s.wait()
	require.Equal(t, []string{"ready", "ready"}, lines)
	require.Equal(t, 9, code)
	require.Contains(t, s.stderr.String(), "exitCode=143 rule=restartPolicyRules[1]")
}

func TestStopBeforeTheFirstStart(t *testing.T) {
	// SIGTERM comes at any moment of the shim's own start. What ends it in the first of them is the Go
	// runtime, whose last resort in a process that can't die of a signal, as the first one of its PID
	// namespace, is to exit with 2.
	s := start(t, []string{restart143}, sh(`echo started; exit 0`), inPIDNamespace(t), func(cmd *exec.Cmd) {
		for i, arg := range cmd.Args {
			if strings.Contains(arg, `exec "$@"`) {
				cmd.Args[i] = strings.Replace(arg, `exec "$@"`, `echo ready; read go; exec "$@"`, 1)
			}
		}
	}, pipeStdin(t))
	require.Equal(t, "ready", s.line())
	s.send("go\n")
	s.signal(syscall.SIGTERM)
	_, code := s.wait()
	require.Contains(t, []int{0, 2, 143}, code, "it may have been too late, but it is never followed by a restart")
}

func TestShimKilledTakesTheCommandWithIt(t *testing.T) {
	s := start(t, []string{restartAll}, sh(`echo $$; while :; do sleep 0.01; done`))
	pid := s.line()
	s.kill()
	eventually(t, "the command is gone", func() bool { return gone(pid) })
}
