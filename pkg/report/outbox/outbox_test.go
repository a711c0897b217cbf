package outbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/report/deliver"
)

// asReporter as the first argument makes this binary a reporter: the real one, or a bad one.
const asReporter = "as-reporter"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == asReporter {
		os.Exit(reporter(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

func reporter(kind string, args []string) int {
	switch kind {
	case "real":
		err := deliver.Serve(context.Background(), os.Stdin, os.Stdout, deliver.Options{URL: args[0], TokenFile: args[1], CAFile: args[2]})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	case "noting": // it notes its start and what it reads in a file, and has told all of it
		file, err := os.OpenFile(args[0], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return 1
		}
		fmt.Fprintln(file, "started")
		text := make([]byte, 1<<16)
		for {
			n, err := os.Stdin.Read(text)
			if err != nil {
				return 0
			}
			_, _ = file.Write(text[:n])
			number, _, _ := strings.Cut(string(text[:n]), " ")
			fmt.Println(number)
		}
	case "failing": // until there is a file
		if _, err := os.Stat(args[0]); err != nil {
			fmt.Fprintln(os.Stderr, "some line")
			fmt.Fprintln(os.Stderr, "the webhook answered 503")
			return 1
		}
		return reporter("noting", args[1:])
	case "deaf": // it neither reads nor ends
		time.Sleep(time.Hour)
	}
	return 0
}

// box is an Outbox that runs.
type box struct {
	*testing.T
	*Outbox
	end  func() // returns when it has ended
	told chan int
	log  *safeBuffer
}

func newBox(t *testing.T, args ...string) *box {
	t.Helper()
	b := &box{T: t, told: make(chan int, 100), log: &safeBuffer{}}
	b.Outbox = New(slog.New(slog.NewTextHandler(b.log, nil)), func(_ context.Context, id int, _ bool) { b.told <- id },
		append([]string{os.Args[0], asReporter}, args...)...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Outbox.Run(ctx)
	}()
	b.end = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(b.end)
	return b
}

func (b *box) wantTold(id int) {
	b.Helper()
	for {
		select {
		case got := <-b.told:
			if got == id {
				return
			}
		case <-time.After(time.Minute):
			require.FailNow(b, "not told", "%d; the log:\n%s", id, b.log)
		}
	}
}

func (b *box) file(path string) string {
	b.Helper()
	text, err := os.ReadFile(path)
	require.NoError(b, err)
	return string(text)
}

// safeBuffer is a buffer for more than one goroutine.
type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.String()
}

// TestLatest: what comes together is told once, the latest; a reporter is started for it, and none without.
func TestLatest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes")
	b := newBox(t, "noting", file)
	require.NoFileExists(t, file)
	b.Put([]byte("first"), 1)
	b.Put([]byte("second"), 2)
	b.wantTold(2)
	b.Put([]byte("third"), 3)
	b.wantTold(3)
	b.end()
	require.Equal(t, "started\n2 second\n3 third\n", b.file(file))
	require.Empty(t, b.log.String())
}

// TestReporterFails: another is started later, and the log says why.
func TestReporterFails(t *testing.T) {
	dir := t.TempDir()
	well, file := filepath.Join(dir, "well"), filepath.Join(dir, "notes")
	b := newBox(t, "failing", well, file)
	b.Put([]byte("first"), 1)
	require.Eventually(t, func() bool { return strings.Contains(b.log.String(), "the webhook answered 503") }, time.Minute, 10*time.Millisecond)
	require.NotContains(t, b.log.String(), "some line")
	b.Put([]byte("second"), 2)
	require.NoError(t, os.WriteFile(well, nil, 0o600))
	b.wantTold(2)
	b.end()
	require.Equal(t, "started\n2 second\n", b.file(file))
}

// TestDeaf: one that doesn't read holds up nobody, and is gone at the end.
func TestDeaf(t *testing.T) {
	b := newBox(t, "deaf")
	long := bytes.Repeat([]byte("x"), 1<<17) // more than a pipe holds
	for n := range 100 {
		b.Put(long, n)
	}
	require.Eventually(t, func() bool { return strings.Contains(b.log.String(), errStuck.Error()) }, time.Minute, 10*time.Millisecond)
	b.end()
	require.Empty(t, b.told)
}

// TestNoReporter: a program that isn't there is an error in the log, and no more.
func TestNoReporter(t *testing.T) {
	b := newBox(t)
	b.command = []string{filepath.Join(t.TempDir(), "nothing")}
	b.Put([]byte("first"), 1)
	require.Eventually(t, func() bool { return strings.Contains(b.log.String(), "no such file") }, time.Minute, 10*time.Millisecond)
}

// TestFarewell: what was put just before the end is still told.
func TestFarewell(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes")
	b := newBox(t, "noting", file)
	b.Put([]byte("last"), 1)
	b.end()
	require.Equal(t, "started\n1 last\n", b.file(file))
}

// TestAgain: what is said once more has the same id, and isn't first.
func TestAgain(t *testing.T) {
	o := New(slog.New(slog.NewTextHandler(io.Discard, nil)), nil, "none")
	o.Put([]byte("first"), 4)
	o.repeat()
	require.Equal(t, document{1, []byte("first"), 4, true}, o.newest(), "there is nothing to say again")
	o.Again([]byte("again"))
	o.repeat()
	require.Equal(t, document{2, []byte("again"), 4, false}, o.newest())
	o.Again([]byte("again"))
	o.Put([]byte("second"), 5)
	o.repeat()
	require.Equal(t, document{3, []byte("second"), 5, true}, o.newest())
}
