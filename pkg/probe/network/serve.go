package network

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"restartrules.dev/pkg/probe"
)

// maxLine is the longest request in bytes. A Pod is smaller.
const maxLine = 4 << 20

// Serve performs the probes that it reads from in, one probe.Request per line, and writes a probe.Reply
// per line to out, in the order in which they end. At most probe.MaxRequests run at once. It returns when
// in ends, with nothing left running; ctx ends the probes, not the reading. The error says what is wrong
// with a line, in or out: there is no way to go on after one.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &server{out: out, slots: make(chan struct{}, probe.MaxRequests)}
	err := s.read(ctx, in)
	cancel()
	s.running.Wait()
	return errors.Join(err, s.failed)
}

type server struct {
	slots   chan struct{}
	running sync.WaitGroup

	writing sync.Mutex
	out     io.Writer
	failed  error
}

func (s *server) read(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		request := new(probe.Request)
		if err := json.Unmarshal(lines.Bytes(), request); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		s.running.Go(func() {
			defer func() { <-s.slots }()
			reply := perform(ctx, request)
			if ctx.Err() == nil { // else nobody is there to read it
				s.write(reply)
			}
		})
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read requests: %w", err)
	}
	return nil
}

func (s *server) write(reply probe.Reply) {
	line, err := json.Marshal(reply)
	s.writing.Lock()
	defer s.writing.Unlock()
	if err == nil && s.failed == nil {
		_, err = s.out.Write(append(line, '\n'))
	}
	if err != nil && s.failed == nil {
		s.failed = fmt.Errorf("write reply: %w", err)
	}
}

func perform(ctx context.Context, r *probe.Request) probe.Reply {
	reply := probe.Reply{ID: r.ID}
	if r.Probe == nil {
		reply.Message = "the request has no probe"
		return reply
	}
	timeout := time.Duration(r.TimeoutMillis) * time.Millisecond
	if timeout <= 0 {
		timeout = r.Probe.Timeout()
	}
	if timeout <= 0 {
		timeout = time.Second
	}
	var message string
	switch p := r.Probe; {
	case p.HTTPGet != nil:
		reply.Result, message = HTTP(ctx, p.HTTPGet, r.Host, timeout)
	case p.GRPC != nil:
		reply.Result, message = GRPC(ctx, p.GRPC, r.Host, timeout)
	case p.TCPSocket != nil:
		reply.Result, message = probe.TCP(ctx, p.TCPSocket, r.Host, timeout)
	default:
		message = "the probe has no handler that the prober knows: expected httpGet, grpc or tcpSocket"
	}
	reply.Message = shorten(message)
	return reply
}
