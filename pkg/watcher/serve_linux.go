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

	"restartrules.dev/pkg/wire"
)

// connectionsPerContainer bounds what one container can make the watcher hold: its shim needs one,
// a preStop hook one.
const connectionsPerContainer = 16

// Serve listens on every container's socket until the context ends, and returns when all of its
// goroutines have.
func Serve(ctx context.Context, v Volume, log *slog.Logger) error {
	if err := v.prepare(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel() // before Wait
	for _, container := range v.Containers {
		listener, err := listen(filepath.Join(v.directory(container), wire.SocketName))
		if err != nil {
			return fmt.Errorf("container %q: %w", container, err)
		}
		c := &containerServer{volume: v, name: container, log: log.With("container", container)}
		all.Go(func() { c.serve(ctx, listener) })
	}
	log.Info("watching", "containers", v.Containers)
	<-ctx.Done()
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

type containerServer struct {
	volume Volume
	name   string
	log    *slog.Logger
}

func (c *containerServer) serve(ctx context.Context, listener *net.UnixListener) {
	var connections sync.WaitGroup
	defer connections.Wait()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	places := make(chan struct{}, connectionsPerContainer)
	for {
		connection, err := listener.AcceptUnix()
		if err != nil {
			if ctx.Err() == nil {
				// Out of file descriptors, say. The shims come back by themselves.
				c.log.Error("accept", "error", err)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
					continue
				}
			}
			return
		}
		select {
		case places <- struct{}{}:
			connections.Go(func() {
				defer func() { <-places }()
				c.converse(ctx, connection)
			})
		default:
			c.log.Warn("too many connections, one is closed", "max", connectionsPerContainer)
			_ = connection.Close()
		}
	}
}

// converse reads one connection's messages until it ends.
func (c *containerServer) converse(ctx context.Context, connection *net.UnixConn) {
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer stop()
	defer connection.Close()
	buffer := make([]byte, wire.MaxMessage)
	var exit wire.Message
	for {
		n, err := connection.Read(buffer)
		if err != nil || n == 0 {
			return
		}
		m, err := wire.Parse(buffer[:n])
		if err != nil {
			c.log.Warn("message not understood", "error", err)
			continue
		}
		if m.Verb == wire.Stopping {
			c.stopping(connection)
			continue
		}
		c.report(m, &exit)
	}
}

func (c *containerServer) stopping(connection *net.UnixConn) {
	if err := c.volume.MarkPeers(c.name); err != nil {
		c.log.Error("told to stop, but the other containers could not be told", "error", err)
	} else {
		c.log.Info("told to stop")
	}
	// The container doesn't wait long for the answer; if it is gone nobody needs it.
	_, _ = connection.Write(wire.Message{Verb: wire.OK}.Append(nil))
}

// report logs what a shim says. exit is the last exit that it reported.
func (c *containerServer) report(m wire.Message, exit *wire.Message) {
	switch m.Verb {
	case wire.Exited:
		*exit = m
		if m.Restart {
			c.log.Info("exited", "attempt", m.Attempt, "exitCode", m.Code, "action", "Restart",
				"rule", m.Rule, "waitMicros", m.Wait)
		} else {
			c.log.Info("ended", "attempt", m.Attempt, "exitCode", m.Code)
		}
	case wire.Started:
		if exit.Restart && exit.Attempt+1 == m.Attempt {
			c.log.Info("restarted in place", "attempt", m.Attempt, "pid", m.PID, "micros", m.Micros,
				"lastExitCode", exit.Code, "rule", exit.Rule)
		} else {
			c.log.Info("started", "attempt", m.Attempt, "pid", m.PID)
		}
	}
}
