package watcher

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/wire"
)

const patience = 10 * time.Second

func testVolume(t *testing.T, containers ...string) Volume {
	return Volume{Root: t.TempDir(), Containers: containers}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Sys().(*syscall.Stat_t).Ino
}

func writeShim(t *testing.T, content string) string {
	path := filepath.Join(t.TempDir(), "shim")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestInstall(t *testing.T) {
	v := testVolume(t, "a", "b")
	require.NoError(t, v.Install(writeShim(t, "one")))

	installed := filepath.Join(v.Root, "shim")
	for _, container := range v.Containers {
		path := filepath.Join(v.directory(container), "shim")
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "one", string(b))
		require.Equal(t, inode(t, installed), inode(t, path), "one inode for all")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o555), info.Mode())
		attempts, err := os.Stat(filepath.Join(v.Root, "attempts", container))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o777), attempts.Mode().Perm(), "containers run as any user")
		require.DirExists(t, filepath.Join(v.directory(container), "attempt"))
	}

	before := inode(t, installed)
	require.NoError(t, v.MarkPod())
	require.NoError(t, v.Install(writeShim(t, "one")))
	require.Equal(t, before, inode(t, installed), "the same binary is not written again")
	require.Equal(t, wire.NoMark, wire.ReadMark(v.directory("a")).Kind, "marks of an earlier life are gone")

	require.NoError(t, v.Install(writeShim(t, "two")))
	require.Equal(t, inode(t, installed), inode(t, filepath.Join(v.directory("b"), "shim")))
	b, err := os.ReadFile(installed)
	require.NoError(t, err)
	require.Equal(t, "two", string(b))
}

func TestInstallBesideARunningShim(t *testing.T) {
	v := testVolume(t, "a")
	sleep, err := os.ReadFile("/bin/sleep")
	require.NoError(t, err)
	require.NoError(t, v.Install(writeShim(t, string(sleep))))
	path := filepath.Join(v.directory("a"), "shim")
	process, err := os.StartProcess(path, []string{"sleep", "1000"}, &os.ProcAttr{})
	require.NoError(t, err)
	defer func() { _ = process.Kill(); _, _ = process.Wait() }()
	require.NoError(t, v.Install(writeShim(t, "two")), "a running binary can't be written to")
}

func TestInstallSaysWhatIsWrong(t *testing.T) {
	v := testVolume(t, "a")
	require.ErrorContains(t, v.Install("/no/such/shim"), "install the shim: open /no/such/shim: no such file")
	v.Root = filepath.Join(writeShim(t, "a file"), "no directory")
	require.Error(t, v.Install(writeShim(t, "x")))
	require.ErrorContains(t, v.MarkPod(), "open the shared volume")
}

func TestMarkPeersLeavesTheStoppingOneAndADeletion(t *testing.T) {
	v := testVolume(t, "a", "b", "c")
	require.NoError(t, v.prepare())
	require.NoError(t, wire.WriteMark(v.directory("c"), wire.Mark{Kind: wire.Pod, At: 7}))
	require.NoError(t, v.MarkPeers("a"))
	require.Equal(t, wire.NoMark, wire.ReadMark(v.directory("a")).Kind)
	require.Equal(t, wire.Peer, wire.ReadMark(v.directory("b")).Kind)
	require.Equal(t, wire.Mark{Kind: wire.Pod, At: 7}, wire.ReadMark(v.directory("c")))
	require.NoError(t, v.MarkPod())
	for _, container := range v.Containers {
		require.Equal(t, wire.Pod, wire.ReadMark(v.directory(container)).Kind)
	}
}

// planOf is a plan in which the volume's containers are wrapped.
func planOf(v Volume) *plan.Plan {
	p := &plan.Plan{Version: plan.Version, RestartPolicy: plan.RestartPolicy{Own: "Never", Compiled: "Never"}}
	for _, name := range v.Containers {
		p.Containers = append(p.Containers, plan.Container{Name: name, Kind: plan.KindContainer, Wrapped: true, OnExit: "0-255:end"})
	}
	return p
}

// serving runs Serve until the test is over, and gives its log.
func serving(t *testing.T, v Volume) *lockedBuffer {
	log := new(lockedBuffer)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, v, planOf(v), slog.New(slog.NewJSONHandler(log, nil))) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return log
}

type lockedBuffer struct {
	mutex sync.Mutex
	b     bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.b.String()
}

func connect(t *testing.T, v Volume, container string) *net.UnixConn {
	t.Helper()
	var c *net.UnixConn
	require.Eventually(t, func() bool {
		var err error
		c, err = net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: filepath.Join(v.directory(container), wire.SocketName), Net: "unixpacket"})
		return err == nil
	}, patience, time.Millisecond)
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c *net.UnixConn, text string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
}

func TestStoppingMarksThePeersBeforeTheAnswer(t *testing.T) {
	v := testVolume(t, "a", "b")
	serving(t, v)
	c := connect(t, v, "a")
	send(t, c, "hello version=1")
	send(t, c, "stopping")
	answer := make([]byte, wire.MaxMessage)
	n, err := c.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "ok", string(answer[:n]))
	require.Equal(t, wire.Peer, wire.ReadMark(v.directory("b")).Kind)
	require.Equal(t, wire.NoMark, wire.ReadMark(v.directory("a")).Kind)
}

func TestRestartsAreLogged(t *testing.T) {
	v := testVolume(t, "a")
	log := serving(t, v)
	c := connect(t, v, "a")
	for _, text := range []string{
		"hello version=1", "nonsense", "started attempt=1 pid=7 micros=0",
		"exited attempt=1 code=42 action=restart rule=0 wait=0", "started attempt=2 pid=8 micros=231",
		"exited attempt=2 code=3 action=end rule=-1 wait=0",
	} {
		send(t, c, text)
	}
	for _, line := range []string{
		`"msg":"message not understood","container":"a","error":"unknown message \"nonsense\""`,
		`"msg":"started","container":"a","attempt":1,"pid":7`,
		`"msg":"exited","container":"a","attempt":1,"exitCode":42,"action":"Restart","rule":0,"waitMicros":0`,
		`"msg":"restarted in place","container":"a","attempt":2,"pid":8,"micros":231,"lastExitCode":42,"rule":0`,
		`"msg":"ended","container":"a","attempt":2,"exitCode":3`,
	} {
		require.Eventually(t, func() bool { return bytes.Contains([]byte(log.String()), []byte(line)) }, patience, time.Millisecond, line)
	}
}

func TestASocketThatAnEarlierWatcherLeftIsReplaced(t *testing.T) {
	v := testVolume(t, "a")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, Serve(ctx, v, planOf(v), slog.New(slog.DiscardHandler)))
	require.FileExists(t, filepath.Join(v.directory("a"), wire.SocketName))
	serving(t, v)
	send(t, connect(t, v, "a"), "hello version=1")
}

func TestConnectionsAreBounded(t *testing.T) {
	v := testVolume(t, "a")
	log := serving(t, v)
	for range connectionsPerContainer {
		send(t, connect(t, v, "a"), "hello version=1")
	}
	extra := connect(t, v, "a")
	_, err := extra.Read(make([]byte, 1))
	require.Error(t, err, "closed")
	require.Contains(t, log.String(), "too many connections")
}
