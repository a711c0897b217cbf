// Package deliver is what the reporter does: it posts what the watcher gives it to the webhook, over HTTPS,
// with the Pod's token.
package deliver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"restartrules.dev/pkg/report"
)

// Times of Serve.
const (
	// timeout bounds one attempt.
	timeout = 5 * time.Second
	// firstPause is the pause after the first attempt that failed; the next are four times as long each, all by
	// chance up to half longer or shorter: a webhook that has too much to do is not asked by thousands each second.
	firstPause = 250 * time.Millisecond
	// attempts are made before it gives up: the watcher starts another reporter later.
	attempts = 5
	// longestRetryAfter is how long a webhook that is busy is waited for.
	longestRetryAfter = 30 * time.Second
	// linger is how long it waits for more.
	linger = 3 * time.Second
)

// Options say where reports go and what proves whose they are.
type Options struct {
	// URL is the webhook's, with the path.
	URL string
	// TokenFile holds the Pod's token, CAFile the certificates that the webhook's is trusted by. Both are
	// read again for each attempt: they change while the Pod lives.
	TokenFile, CAFile string
}

// Serve posts the documents that it reads from in, each a line: a number, a space, the document. Of several
// it posts the latest, and writes its number to out. It returns nil when in has ended, or nothing new has
// come for a while; an error when the latest can't be delivered. ctx ends it at once.
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inbox := &inbox{news: make(chan struct{}, 1), over: make(chan struct{})}
	go inbox.read(in) // until the process ends: nothing ends a read of stdin
	for {
		number, document := inbox.take()
		if document == nil {
			if !inbox.wait(ctx, linger) {
				return inbox.err()
			}
			continue
		}
		number, err := o.deliver(ctx, inbox, number, document)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, number); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// deliver posts a document, or what has come since, until it is taken, and returns the number of what was.
func (o *Options) deliver(ctx context.Context, inbox *inbox, number uint64, document []byte) (uint64, error) {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := o.post(ctx, document)
		if err == nil {
			return number, nil
		}
		var answer *answerError
		refused := errors.As(err, &answer)
		if attempt == attempts || refused && answer.final() {
			return 0, err
		}
		wait := pause
		if refused {
			wait = max(pause, answer.retryAfter)
		}
		timer := time.NewTimer(time.Duration(float64(wait) * (0.5 + rand.Float64())))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, err
		}
		pause *= 4
		if newer, latest := inbox.take(); latest != nil {
			number, document = newer, latest
		}
	}
}

// answerError is an answer other than that the report was taken.
type answerError struct {
	code       int
	text       string
	retryAfter time.Duration
}

func (e *answerError) Error() string {
	return fmt.Sprintf("the webhook answered %d %s: %s", e.code, http.StatusText(e.code), e.text)
}

// final says that the same report will not be taken later either. A token is read again, and may be another
// then.
func (e *answerError) final() bool {
	return e.code/100 == 4 && e.code != http.StatusTooManyRequests && e.code != http.StatusUnauthorized && e.code != http.StatusRequestTimeout
}

// post makes one attempt. Nothing of the token is in its error.
func (o *Options) post(ctx context.Context, document []byte) error {
	client, token, err := o.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL, bytes.NewReader(document))
	if err != nil {
		return fmt.Errorf("report to %s: %w", o.URL, err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err // a *url.Error, which names the URL
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, report.MaxText))
	if answer.StatusCode/100 == 2 {
		return nil
	}
	seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	return &answerError{answer.StatusCode, string(bytes.TrimSpace(text)), min(time.Duration(seconds)*time.Second, longestRetryAfter)}
}

// inbox holds the latest document that was read.
type inbox struct {
	news chan struct{} // has a value when there is one
	over chan struct{} // closed when there will be no more

	mu       sync.Mutex
	number   uint64
	document []byte
	failed   error
}

func (b *inbox) read(in io.Reader) {
	defer close(b.over)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, report.MaxBytes+32)
	for lines.Scan() {
		head, document, ok := bytes.Cut(lines.Bytes(), []byte{' '})
		number, err := strconv.ParseUint(string(head), 10, 64)
		if !ok || err != nil {
			b.fail(fmt.Errorf("expected a number, a space and a document, got a line that begins with %.20q", lines.Bytes()))
			return
		}
		b.mu.Lock()
		b.number, b.document = number, bytes.Clone(document)
		b.mu.Unlock()
		select {
		case b.news <- struct{}{}:
		default:
		}
	}
	if err := lines.Err(); err != nil {
		b.fail(fmt.Errorf("read: %w", err))
	}
}

func (b *inbox) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = err
}

func (b *inbox) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// take is the latest document, once; nil: there is none.
func (b *inbox) take() (uint64, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	number, document := b.number, b.document
	b.document = nil
	return number, document
}

// wait waits for the next document, at most so long. It returns false if there is none.
func (b *inbox) wait(ctx context.Context, atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-b.news:
		return true
	case <-b.over:
		select {
		case <-b.news: // the last one
			return true
		default:
			return false
		}
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}
