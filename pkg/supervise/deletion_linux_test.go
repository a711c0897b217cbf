package supervise_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/wire"
)

func mark(t *testing.T, dir string, kind wire.MarkKind, at int64) {
	t.Helper()
	require.NoError(t, wire.WriteMark(dir, wire.Mark{Kind: kind, At: at}))
}

// waitForGo prints "ready" and exits 42 when a line comes.
var waitForGo = sh(`echo ready; read go; exit 42`)

func TestMarks(t *testing.T) {
	for name, test := range map[string]struct {
		mark     func(t *testing.T, s *shim)
		restarts bool
	}{
		"none":                   {func(t *testing.T, s *shim) {}, true},
		"Pod":                    {func(t *testing.T, s *shim) { mark(t, s.dir, wire.Pod, wire.Now()) }, false},
		"own preStop hook":       {func(t *testing.T, s *shim) { mark(t, s.dir+"/attempt", wire.Self, wire.Now()) }, false},
		"older than the shim":    {func(t *testing.T, s *shim) { mark(t, s.dir, wire.Pod, 1) }, true},
		"peer, long ago":         {func(t *testing.T, s *shim) { mark(t, s.dir, wire.Peer, wire.Now()-int64(1e10)) }, true},
		"peer, nothing comes":    {func(t *testing.T, s *shim) { mark(t, s.dir, wire.Peer, wire.Now()) }, true},
		"own hook, earlier life": {func(t *testing.T, s *shim) { mark(t, s.dir+"/attempt", wire.Self, 1) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, []string{restart42, noBackoff}, waitForGo, pipeStdin(t))
			require.Equal(t, "ready", s.line())
			test.mark(t, s)
			s.send("go\n")
			if !test.restarts {
				lines, code := s.wait()
				require.Empty(t, lines)
				require.Equal(t, 42, code)
				return
			}
			require.Equal(t, "ready", s.line())
			s.kill()
		})
	}
}

func TestAnExitAfterAPeerWasToldIsHeldUntilTheNews(t *testing.T) {
	s := start(t, []string{restart42, noBackoff}, waitForGo, pipeStdin(t))
	require.Equal(t, "ready", s.line())
	pid := childrenOf(t, s.cmd.Process.Pid)[0]
	mark(t, s.dir, wire.Peer, wire.Now())
	s.send("go\n")
	eventually(t, "the command has ended", func() bool { return gone(pid) })
	mark(t, s.dir, wire.Pod, wire.Now())
	lines, code := s.wait()
	require.Empty(t, lines)
	require.Equal(t, 42, code)
}

func TestHoldWaitsForNewsWithoutAnyMark(t *testing.T) {
	s := start(t, []string{restart42, noBackoff, "--hold=20s"}, waitForGo, pipeStdin(t))
	require.Equal(t, "ready", s.line())
	pid := childrenOf(t, s.cmd.Process.Pid)[0]
	s.send("go\n")
	eventually(t, "the command has ended", func() bool { return gone(pid) })
	mark(t, s.dir, wire.Pod, wire.Now())
	_, code := s.wait()
	require.Equal(t, 42, code)
}

// watcherSocket listens as the watcher does, in a directory that the shim is then given.
func watcherSocket(t *testing.T, dir string) *net.UnixListener {
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, wire.SocketName), Net: "unixpacket"})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func receive(t *testing.T, c *net.UnixConn) string {
	b := make([]byte, wire.MaxMessage)
	n, err := c.Read(b)
	require.NoError(t, err)
	return string(b[:n])
}

func TestTheWatcherIsToldBeforeTheCommand(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	l := watcherSocket(t, dir)
	s := start(t, []string{restart143, noBackoff, "--dir=" + dir}, sh(`trap 'echo got TERM; exit 143' TERM; echo ready; while :; do sleep 0.01; done`), inPIDNamespace(t))
	c, err := l.AcceptUnix()
	require.NoError(t, err)
	require.Equal(t, "hello version=1", receive(t, c))
	require.Equal(t, "ready", s.line())
	require.Contains(t, receive(t, c), "started attempt=1 pid=")
	s.signal(syscall.SIGTERM)
	require.Equal(t, "stopping", receive(t, c))
	_, err = c.Write([]byte("ok"))
	require.NoError(t, err)
	require.Equal(t, "got TERM", s.line())
	_, code := s.wait()
	require.Equal(t, 143, code)
	require.Equal(t, "exited attempt=1 code=143 action=end rule=-1 wait=0", receive(t, c))
}

func TestReportsAndSurvivesTheWatchersAbsence(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	s := start(t, []string{restart42, noBackoff, "--dir=" + dir}, waitForGo, pipeStdin(t))
	require.Equal(t, "ready", s.line())
	s.send("go\n") // no watcher yet
	require.Equal(t, "ready", s.line())
	l := watcherSocket(t, dir)
	c, err := l.AcceptUnix()
	require.NoError(t, err)
	require.Equal(t, "hello version=1", receive(t, c))
	require.Contains(t, receive(t, c), "started attempt=1 ")
	require.Equal(t, "exited attempt=1 code=42 action=restart rule=0 wait=0", receive(t, c))
	require.Contains(t, receive(t, c), "started attempt=2 ")

	require.NoError(t, c.Close()) // it dies and comes back
	c, err = l.AcceptUnix()
	require.NoError(t, err)
	require.Equal(t, "hello version=1", receive(t, c))
	s.send("go\n")
	require.Contains(t, receive(t, c), "exited attempt=2")
	require.Contains(t, receive(t, c), "started attempt=3")
	s.kill()
}

func TestHookMarksThenRunsTheCommand(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	l := watcherSocket(t, dir)
	hook := exec.Command(shimBinary, "hook", "--dir="+dir, "--", "/bin/sh", "-c", "cat "+dir+"/attempt/stop; exit 6")
	var out strings.Builder
	hook.Stdout = &out
	require.NoError(t, hook.Start())
	c, err := l.AcceptUnix()
	require.NoError(t, err)
	require.Equal(t, "hello version=1", receive(t, c))
	require.Equal(t, "stopping", receive(t, c))
	_, err = c.Write([]byte("ok"))
	require.NoError(t, err)
	var exit *exec.ExitError
	require.ErrorAs(t, hook.Wait(), &exit)
	require.Equal(t, 6, exit.ExitCode())
	require.Regexp(t, `^self \d+$`, out.String())

	t.Run("without a watcher too", func(t *testing.T) {
		require.NoError(t, l.Close())
		require.NoError(t, exec.Command(shimBinary, "hook", "--dir="+dir, "--", "true").Run())
		err := exec.Command(shimBinary, "hook", "--dir="+dir, "--", "no-such-command").Run()
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 127, exit.ExitCode())
	})
}
