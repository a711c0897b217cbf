//go:build e2e && linux

package total

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"restartrules.dev/pkg/wire"
)

// watcher is the other end of a shim's socket.
type watcher struct {
	t        *testing.T
	stderr   string // the file of the shim's
	listener *net.UnixListener
	conn     *net.UnixConn
	shim     int // its process id
}

// deadline is how long anything here may take before it counts as hung.
const deadline = 30 * time.Second

func listen(t *testing.T, dir string) *watcher {
	t.Helper()
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, wire.SocketName), Net: "unixpacket"})
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	return &watcher{t: t, stderr: filepath.Join(dir, "stderr"), listener: listener}
}

// accept waits for the shim.
func (w *watcher) accept() {
	w.t.Helper()
	var err error
	require.NoError(w.t, w.listener.SetDeadline(time.Now().Add(deadline)))
	w.conn, err = w.listener.AcceptUnix()
	require.NoError(w.t, err)
	w.t.Cleanup(func() { w.conn.Close() })
	raw, err := w.conn.SyscallConn()
	require.NoError(w.t, err)
	require.NoError(w.t, raw.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		require.NoError(w.t, err)
		w.shim = int(peer.Pid)
	}))
}

func (w *watcher) send(m wire.Message) {
	w.t.Helper()
	_, err := w.conn.Write(m.Append(nil))
	require.NoError(w.t, err)
}

// until waits until the shim says that it is so, of that generation.
func (w *watcher) until(is wire.Is, gen int) wire.Message {
	w.t.Helper()
	require.NoError(w.t, w.conn.SetReadDeadline(time.Now().Add(deadline)))
	var last wire.Message
	for {
		b := make([]byte, wire.MaxMessage)
		n, err := w.conn.Read(b)
		require.NoError(w.t, err, "waiting for is=%s gen=%d; the last state is %s; %s", is, gen, last.Append(nil), read(w.stderr))
		m, err := wire.Parse(b[:n])
		require.NoError(w.t, err)
		if m.Verb != wire.State {
			continue
		}
		if last = m; m.Is == is && m.Gen == gen {
			return m
		}
	}
}
