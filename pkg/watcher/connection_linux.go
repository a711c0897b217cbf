package watcher

import (
	"context"
	"net"
	"syscall"

	"restartrules.dev/pkg/wire"
)

// connection is one client of a container's socket: its shim, or a hook or subcommand of the shim.
type connection struct {
	container int // index in Volume.Containers
	socket    *net.UnixConn
	raw       syscall.RawConn
	buffer    []byte
}

func newConnection(container int, socket *net.UnixConn) (*connection, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &connection{container: container, socket: socket, raw: raw, buffer: make([]byte, 0, wire.MaxMessage)}, nil
}

// read passes on messages until the client is gone, the context ends, or pass returns false. Messages
// that are not understood are passed as errors.
func (c *connection) read(ctx context.Context, pass func(wire.Message, error) bool) {
	stop := context.AfterFunc(ctx, func() { _ = c.socket.Close() })
	defer stop()
	buffer := make([]byte, wire.MaxMessage)
	for {
		n, err := c.socket.Read(buffer)
		if err != nil || n == 0 {
			return
		}
		if !pass(wire.Parse(buffer[:n])) {
			return
		}
	}
}

// send sends a message if there is room for it at once. A client that doesn't read is cut off: when it
// is back it says again how it is. One goroutine at a time.
func (c *connection) send(m wire.Message) {
	c.buffer = m.Append(c.buffer[:0])
	sent := false
	err := c.raw.Write(func(fd uintptr) bool {
		sent = syscall.Sendto(int(fd), c.buffer, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, nil) == nil
		return true
	})
	if err != nil || !sent {
		_ = c.socket.Close()
	}
}

// peer is the process id of the client, in the watcher's process namespace; 0 if it is not seen there.
func (c *connection) peer() int {
	pid := 0
	_ = c.raw.Control(func(fd uintptr) {
		if credentials, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			pid = int(credentials.Pid)
		}
	})
	return pid
}
