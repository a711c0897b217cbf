package client

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

var (
	errEnded  = errors.New("the prober ended by itself")
	errSilent = errors.New("the prober did not answer in time")
)

// session is what goes on with one process.
type session struct {
	// kill has the process ended, for that cause.
	kill     func(cause error)
	patience time.Duration

	writing sync.Mutex
	stdin   io.Writer

	mu    sync.Mutex
	ended bool
	last  uint64
	// waiting are the requests without an answer, by ID. The channels take one reply each, and are
	// closed when the session ends.
	waiting map[uint64]chan probe.Reply
}

func newSession(stdin io.Writer, kill func(cause error), patience time.Duration) *session {
	return &session{stdin: stdin, kill: kill, patience: patience, waiting: map[uint64]chan probe.Reply{}}
}

// ask sends the request, with an ID, and waits for the reply. A prober that is silent for too long is
// killed, which also ends a write to it.
func (s *session) ask(ctx context.Context, request *probe.Request) (probe.Reply, error) {
	limited, cancel := context.WithTimeoutCause(ctx, request.Probe.Timeout()+s.patience, errSilent)
	defer cancel()
	defer context.AfterFunc(limited, func() {
		if context.Cause(limited) == errSilent {
			s.kill(errSilent)
		}
	})()
	answer, err := s.send(request)
	if err != nil {
		return probe.Reply{}, err
	}
	defer s.forget(request.ID)
	select {
	case reply, ok := <-answer:
		if !ok {
			return reply, errEnded
		}
		return reply, nil
	case <-limited.Done():
		return probe.Reply{}, context.Cause(limited)
	}
}

func (s *session) send(request *probe.Request) (<-chan probe.Reply, error) {
	answer := make(chan probe.Reply, 1)
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return nil, errEnded
	}
	s.last++
	request.ID = s.last
	s.waiting[request.ID] = answer
	s.mu.Unlock()

	line, err := json.Marshal(request)
	if err == nil {
		s.writing.Lock()
		_, err = s.stdin.Write(append(line, '\n'))
		s.writing.Unlock()
	}
	if err != nil {
		s.forget(request.ID)
		err = fmt.Errorf("write to the prober: %w", err)
		s.kill(err) // it may have got half of the line
		return nil, err
	}
	return answer, nil
}

func (s *session) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
}

// read delivers the replies until there are no more. Then the session has ended.
func (s *session) read(stdout io.Reader) error {
	defer s.end()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var reply probe.Reply
		if err := json.Unmarshal(lines.Bytes(), &reply); err != nil {
			return fmt.Errorf("reply of the prober: %w", err)
		}
		s.mu.Lock()
		if answer := s.waiting[reply.ID]; answer != nil {
			delete(s.waiting, reply.ID)
			answer <- reply
		}
		s.mu.Unlock()
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read from the prober: %w", err)
	}
	return nil
}

func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for id, answer := range s.waiting {
		close(answer)
		delete(s.waiting, id)
	}
}
