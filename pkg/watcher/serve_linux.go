package watcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/wire"
)

// connectionsPerContainer bounds what one container can make the watcher hold: its shim needs one,
// a preStop hook one, and so does each probe of the kubelet that asks the shim.
const connectionsPerContainer = 16

// Serve listens on every container's socket, and carries out what the machine decides, until the
// context ends. It returns when all of its goroutines have.
func Serve(ctx context.Context, v Volume, p *plan.Plan, log *slog.Logger) error {
	if err := v.prepare(); err != nil {
		return err
	}
	pod, err := newPod(v, p, log)
	if err != nil {
		return err
	}
	defer pod.close()
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel() // before Wait
	for i := -1; i < len(v.Containers); i++ {
		path, name := filepath.Join(v.Root, wire.SocketName), "" // the hooks of the watcher's own container
		if i >= 0 {
			name = v.Containers[i]
			path = filepath.Join(v.directory(name), wire.SocketName)
		}
		listener, err := listen(path)
		if err != nil {
			return fmt.Errorf("container %q: %w", name, err)
		}
		s := &server{pod: pod, container: i, log: log.With("container", name)}
		all.Go(func() { s.serve(ctx, listener) })
	}
	log.Info("watching", "containers", v.Containers)
	pod.run(ctx)
	return nil
}

// listen binds the socket in place of one that an earlier watcher left.
func listen(path string) (*net.UnixListener, error) {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: temporary, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	err = os.Chmod(temporary, 0o666) // containers run as any user
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// server serves one container's socket.
type server struct {
	pod       *pod
	container int
	log       *slog.Logger
}

func (s *server) serve(ctx context.Context, listener *net.UnixListener) {
	var connections sync.WaitGroup
	defer connections.Wait()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	places := make(chan struct{}, connectionsPerContainer)
	for {
		socket, err := listener.AcceptUnix()
		if err != nil {
			if ctx.Err() == nil {
				// Out of file descriptors, say. The shims come back by themselves.
				s.log.Error("accept", "error", err)
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
					continue
				}
			}
			return
		}
		select {
		case places <- struct{}{}:
			connections.Go(func() {
				defer func() { <-places }()
				s.converse(ctx, socket)
			})
		default:
			s.log.Warn("too many connections, one is closed", "max", connectionsPerContainer)
			_ = socket.Close()
		}
	}
}

// converse passes one connection's messages to the Pod until it ends, and then its end.
func (s *server) converse(ctx context.Context, socket *net.UnixConn) {
	defer socket.Close()
	c, err := newConnection(s.container, socket)
	if err != nil {
		s.log.Error("connection", "error", err)
		return
	}
	c.read(ctx, func(m wire.Message, err error) bool {
		if err != nil {
			s.log.Warn("message not understood", "error", err)
			return true
		}
		return s.pod.pass(ctx, happening{connection: c, message: m})
	})
	s.pod.pass(ctx, happening{connection: c, lost: true})
}
