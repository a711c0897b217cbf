package outbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	errNotTold = errors.New("the reporter has ended with something left to tell")
	errStuck   = errors.New("the reporter doesn't read")
)

// What passes between an Outbox and the reporter is lines: the number of a document, a space and the
// document, answered by the number when it was delivered. The reporter ends when its stdin does, or when
// nothing new has come for a while.

// report starts a reporter, passes on what is new until it ends, and returns what was delivered last. The
// error is nil if that was everything.
func (o *Outbox) report(ctx context.Context, delivered uint64) (uint64, error) {
	// What is left when ctx ends has some time more.
	running, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	command := exec.CommandContext(running, o.command[0], o.command[1:]...)
	// Not the watcher's, which has the plan, which may be long. More than one processor would each have memory of its own.
	command.Env = []string{"GOMAXPROCS=1"}
	var complaint lastLine
	command.Stderr = &complaint
	command.WaitDelay = time.Second
	stdout, err := command.StdoutPipe()
	if err != nil {
		return delivered, fmt.Errorf("start %s: %w", o.command[0], err)
	}
	read, stdin, err := os.Pipe()
	if err != nil {
		return delivered, fmt.Errorf("start %s: %w", o.command[0], err)
	}
	defer stdin.Close()
	command.Stdin = read
	err = command.Start()
	_ = read.Close()
	if err != nil {
		return delivered, fmt.Errorf("start %s: %w", o.command[0], err)
	}
	answers := make(chan uint64)
	go func() {
		defer close(answers)
		readAnswers(stdout, answers)
	}()
	delivered, failed := o.converse(ctx, stdin, answers, delivered)
	_ = stdin.Close()
	if failed != nil {
		kill(failed)
	}
	overdue := time.AfterFunc(farewell, func() { kill(errStuck) })
	defer overdue.Stop()
	for upTo := range answers { // until it has ended
		delivered = max(delivered, upTo)
	}
	ended := command.Wait()
	switch {
	case o.newest().seq == delivered:
		return delivered, nil
	case failed != nil:
		return delivered, failed
	case complaint.text() != "":
		return delivered, errors.New(complaint.text())
	case ended != nil:
		return delivered, fmt.Errorf("the reporter: %w", ended)
	default:
		return delivered, errNotTold
	}
}

// converse passes on documents and takes answers until the reporter ends, or ctx does and all is delivered
// or farewell over.
func (o *Outbox) converse(ctx context.Context, stdin *os.File, answers <-chan uint64, delivered uint64) (uint64, error) {
	passed, done, late := uint64(0), ctx.Done(), (<-chan time.Time)(nil)
	documents := map[uint64]document{} // those that are not answered yet
	for {
		if d := o.newest(); d.seq != passed && d.seq != delivered {
			if err := write(stdin, d); err != nil {
				return delivered, err
			}
			passed, documents[d.seq] = d.seq, d
		}
		if late != nil && delivered == passed {
			return delivered, nil
		}
		select {
		case <-o.news:
			if !gathered(ctx) {
				continue
			}
		case upTo, ok := <-answers:
			if !ok {
				return delivered, nil
			}
			if d, ok := documents[upTo]; ok {
				o.told(ctx, d.id, d.first)
			}
			for seq := range documents {
				if seq <= upTo {
					delete(documents, seq)
				}
			}
			delivered = max(delivered, upTo)
		case <-done:
			timer := time.NewTimer(farewell)
			defer timer.Stop()
			done, late = nil, timer.C
		case <-late:
			return delivered, context.Cause(ctx)
		}
	}
}

// gathered waits until what belongs together has gathered. It returns false if ctx has ended before.
func gathered(ctx context.Context) bool {
	timer := time.NewTimer(gather)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func write(stdin *os.File, d document) error {
	line := append(strconv.AppendUint(nil, d.seq, 10), ' ')
	line = append(append(line, d.text...), '\n')
	if err := stdin.SetWriteDeadline(time.Now().Add(farewell)); err != nil {
		return fmt.Errorf("write to the reporter: %w", err)
	}
	switch _, err := stdin.Write(line); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errStuck
	case err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("write to the reporter: %w", err)
	}
	return nil // one that has just ended says so by its stdout
}

func readAnswers(stdout io.Reader, answers chan<- uint64) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if n, err := strconv.ParseUint(strings.TrimSpace(lines.Text()), 10, 64); err == nil {
			answers <- n
		}
	}
}

// lastLine keeps the last line that was written to it, as far as it is short.
type lastLine struct{ buffer []byte }

const maxLine = 1024

func (l *lastLine) Write(b []byte) (int, error) {
	l.buffer = append(l.buffer, b...)
	if over := len(l.buffer) - maxLine; over > 0 {
		l.buffer = append(l.buffer[:0], l.buffer[over:]...)
	}
	return len(b), nil
}

func (l *lastLine) text() string {
	text := bytes.TrimSpace(l.buffer)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}
