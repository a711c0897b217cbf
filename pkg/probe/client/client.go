// Package client talks to the prober, a process of its own, so that who links it needs neither an HTTP
// nor a gRPC client.
package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"restartrules.dev/pkg/probe"
)

// How long a prober that died is not started again: doubled from the first to the last, and the first
// again when one has lived for longer than the last.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// defaultPatience is how much longer than its timeout a probe may take before the prober is taken for
// stuck, and killed; and how long a probe waits for a prober.
const defaultPatience = 5 * time.Second

// stopTime is how long the prober has to end when its stdin was closed.
const stopTime = 2 * time.Second

// Client starts the prober and keeps it running. Its methods may be called by several goroutines.
type Client struct {
	command []string
	log     *slog.Logger
	// patience is defaultPatience but in tests.
	patience time.Duration
	// slots bounds the requests under way: what the prober would leave waiting waits here, where its
	// time doesn't count yet.
	slots chan struct{}

	mu sync.Mutex
	// session is the running prober's; nil: there is none, and changed is closed when there is one.
	session *session
	changed chan struct{}
}

// New makes a client of the prober that the command starts. Nothing is started before Run.
func New(log *slog.Logger, command ...string) *Client {
	return &Client{command: command, log: log, patience: defaultPatience, slots: make(chan struct{}, probe.MaxRequests), changed: make(chan struct{})}
}

// Run keeps the prober running until ctx ends, and returns when it has ended and been waited for. It is to
// be called once.
func (c *Client) Run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := c.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		c.log.Error("the prober has ended, httpGet and grpc probes wait until it runs again", "error", err, "pause", pause.String())
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// runOnce starts the prober, reads what it says, and waits for its end.
func (c *Client) runOnce(ctx context.Context) error {
	ctx, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	command := exec.CommandContext(ctx, c.command[0], c.command[1:]...)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.command[0], err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.command[0], err)
	}
	command.Cancel, command.WaitDelay = stdin.Close, stopTime
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.command[0], err)
	}
	s := newSession(stdin, kill, c.patience)
	c.set(s)
	err = s.read(stdout)
	c.set(nil)
	kill(err) // whatever it was that ended its stdout
	waited := command.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	if exit := (*exec.ExitError)(nil); errors.As(waited, &exit) {
		return exit
	}
	return errEnded
}

// Probe has the prober run an httpGet or a grpc probe. podIP is the host if the probe has none. The
// message is a probe.Reply's. The outcome is Unknown if there is no answer: ctx has ended, or the prober
// has, or hasn't come up in time.
func (c *Client) Probe(ctx context.Context, spec *probe.Spec, podIP string) (probe.Outcome, string) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return probe.Unknown, ctx.Err().Error()
	}
	s, err := c.wait(ctx)
	if err != nil {
		return probe.Unknown, err.Error()
	}
	reply, err := s.ask(ctx, &probe.Request{Probe: spec, Host: podIP, TimeoutMillis: spec.Timeout().Milliseconds()})
	if err != nil {
		return probe.Unknown, err.Error()
	}
	return reply.Result, reply.Message
}

var errNotRunning = errors.New("the prober is not running")

// wait waits until the prober runs.
func (c *Client) wait(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience, errNotRunning)
	defer cancel()
	for {
		c.mu.Lock()
		s, changed := c.session, c.changed
		c.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// set makes s the session, nil: none.
func (c *Client) set(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	if s != nil {
		close(c.changed)
	} else {
		c.changed = make(chan struct{})
	}
}
