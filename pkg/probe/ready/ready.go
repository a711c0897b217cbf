// Package ready answers the readinessProbe of the watcher's own container: whether every container of the
// Pod is up. It is the little of HTTP/1.1 that this needs: an HTTP server would double the watcher.
package ready

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Path is where the readiness is.
const Path = "/ready"

// Bounds of what a client can take.
const (
	// maxConnections are served at once. More wait in the kernel's queue.
	maxConnections = 16
	// maxRequest is the most bytes of a request that are read.
	maxRequest = 2 << 10
	// maxRest is the most bytes that are read after the answer, and thrown away.
	maxRest = 32 << 10
	// patience is how long a connection may take in all.
	patience = time.Second
)

// acceptPause is the pause after an accept that failed, which it does if there are too many open files.
const acceptPause = 100 * time.Millisecond

// Responder answers GET /ready with 200 and "ok", or with 503 and a reason.
type Responder struct {
	listener net.Listener
	reason   atomic.Pointer[string]
	// buffers are those of the connections that may still be accepted.
	buffers chan *[maxRequest]byte
}

// Listen makes a Responder that listens at the TCP address, such as ":15951". Until Set is called it is
// not ready.
func Listen(address string) (*Responder, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("readiness: %w", err)
	}
	r := &Responder{listener: listener, buffers: make(chan *[maxRequest]byte, maxConnections)}
	for range maxConnections {
		r.buffers <- nil // made when it is needed
	}
	r.Set("starting")
	return r, nil
}

// Address is where it listens.
func (r *Responder) Address() net.Addr { return r.listener.Addr() }

// Set says why the Pod is not ready; empty: it is ready.
func (r *Responder) Set(reason string) {
	reason = strings.ToValidUTF8(reason, "?")
	r.reason.Store(&reason)
}

// Serve answers until ctx ends; then it closes the listener and all connections, and returns when nothing
// is left running. It is to be called once.
func (r *Responder) Serve(ctx context.Context) {
	var connections sync.WaitGroup
	defer connections.Wait()
	defer r.listener.Close()
	defer context.AfterFunc(ctx, func() { _ = r.listener.Close() })()
	for {
		var buffer *[maxRequest]byte
		select {
		case buffer = <-r.buffers:
		case <-ctx.Done():
			return
		}
		connection, err := r.listener.Accept()
		if err != nil {
			r.buffers <- buffer
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		connections.Go(func() {
			if buffer == nil {
				buffer = new([maxRequest]byte)
			}
			defer func() { r.buffers <- buffer }()
			defer context.AfterFunc(ctx, func() { _ = connection.Close() })()
			defer connection.Close()
			r.serve(connection, buffer[:])
		})
	}
}

// serve answers one request. A client that is slow, or gone, gets nothing.
func (r *Responder) serve(connection net.Conn, buffer []byte) {
	if connection.SetDeadline(time.Now().Add(patience)) != nil {
		return
	}
	text := badRequest
	if head, err := readHead(connection, buffer); err == nil {
		text = answer(head, *r.reason.Load())
	}
	if _, err := io.WriteString(connection, text); err != nil {
		return
	}
	// With unread data closing would reset the connection, and the answer could be lost.
	if c, ok := connection.(*net.TCPConn); ok && c.CloseWrite() == nil {
		for left := maxRest; left > 0; {
			n, err := c.Read(buffer)
			if err != nil {
				return
			}
			left -= n
		}
	}
}
