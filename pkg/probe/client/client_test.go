package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/probe"
	"restartrules.dev/pkg/probe/network"
)

// The test binary is also the prober, and worse ones.
const (
	goodProber = "prober"
	// diesAfterOne answers one request and is gone.
	diesAfterOne = "prober-dies"
	// silentProber reads, and answers nothing.
	silentProber = "prober-silent"
	// deafProber does not even read, and does not end with its stdin.
	deafProber   = "prober-deaf"
	rudeProber   = "prober-rude"
	brokenProber = "prober-broken"
)

func TestMain(m *testing.M) {
	if len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case goodProber:
		if err := network.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
	case diesAfterOne:
		lines := bufio.NewScanner(os.Stdin)
		lines.Scan()
		fmt.Println(`{"id":1,"result":"success"}`)
		lines.Scan()
	case silentProber:
		_, _ = io.Copy(io.Discard, os.Stdin)
	case deafProber:
		time.Sleep(time.Hour)
	case rudeProber:
		fmt.Println("what?")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case brokenProber:
		os.Exit(3)
	default:
		os.Exit(m.Run())
	}
}

// run starts the client with that prober, and has it stopped and waited for at the end of the test.
func run(t *testing.T, kind string) *Client {
	c := New(slog.New(slog.NewTextHandler(t.Output(), nil)), os.Args[0], kind)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		require.Nil(t, c.session)
	})
	return c
}

func get(address net.Addr, path string) *probe.Spec {
	return &probe.Spec{HTTPGet: &probe.HTTPGetAction{Path: path, Port: probe.Port(address.(*net.TCPAddr).Port)}, TimeoutSeconds: 30}
}

func TestProbe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/ok" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	c := run(t, goodProber)
	var probes sync.WaitGroup
	for i := range 3 * probe.MaxRequests {
		probes.Go(func() {
			path, want, wantMessage := "/ok", probe.Success, ""
			if i%2 == 0 {
				path, want, wantMessage = "/no", probe.Failure, "HTTP probe failed with statuscode: 500"
			}
			outcome, message := c.Probe(t.Context(), get(server.Listener.Addr(), path), "127.0.0.1")
			if outcome != want || message != wantMessage {
				t.Errorf("%s: %s %s", path, outcome, message)
			}
		})
	}
	probes.Wait()
	require.Empty(t, c.session.waiting)
}

// Each request has one answer; after a death the next prober gets the next request.
func TestProberDies(t *testing.T) {
	c := run(t, diesAfterOne)
	var succeeded atomic.Int32
	for succeeded.Load() < 2 {
		if outcome, _ := c.Probe(t.Context(), get(&net.TCPAddr{Port: 1}, "/"), "127.0.0.1"); outcome == probe.Success {
			succeeded.Add(1)
		}
	}
}

func TestSilentProberIsKilled(t *testing.T) {
	c := New(slog.New(slog.NewTextHandler(t.Output(), nil)), os.Args[0], silentProber)
	c.patience = 50 * time.Millisecond
	spec := get(&net.TCPAddr{Port: 1}, "/")
	spec.TimeoutSeconds = 0
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.runOnce(ctx) }()
	for {
		outcome, message := c.Probe(ctx, spec, "127.0.0.1")
		require.Equal(t, probe.Unknown, outcome)
		if message == errSilent.Error() {
			break
		}
		require.Equal(t, errNotRunning.Error(), message)
	}
	require.ErrorIs(t, <-ended, errSilent)
}

// A prober that doesn't read fills its pipe. Whoever writes to it is set free.
func TestDeafProberIsKilled(t *testing.T) {
	c := New(slog.New(slog.NewTextHandler(t.Output(), nil)), os.Args[0], deafProber)
	c.patience = 50 * time.Millisecond
	spec := get(&net.TCPAddr{Port: 1}, "/")
	spec.TimeoutSeconds = 0
	spec.HTTPGet.HTTPHeaders = []probe.HTTPHeader{{Name: "X", Value: string(make([]byte, 1<<20))}}
	ended := make(chan error, 1)
	go func() { ended <- c.runOnce(t.Context()) }()
	for {
		outcome, message := c.Probe(t.Context(), spec, "127.0.0.1")
		require.Equal(t, probe.Unknown, outcome)
		if message != errNotRunning.Error() {
			break
		}
	}
	require.ErrorIs(t, <-ended, errSilent)
}

func TestRudeProberIsKilled(t *testing.T) {
	c := New(slog.New(slog.NewTextHandler(t.Output(), nil)), os.Args[0], rudeProber)
	require.ErrorContains(t, c.runOnce(t.Context()), "reply of the prober: ")
}

func TestProberThatDoesNotStart(t *testing.T) {
	c := New(slog.New(slog.NewTextHandler(t.Output(), nil)), os.Args[0], brokenProber)
	require.ErrorContains(t, c.runOnce(t.Context()), "exit status 3")
	c = New(slog.New(slog.NewTextHandler(t.Output(), nil)), "/nonexistent/prober")
	require.ErrorContains(t, c.runOnce(t.Context()), "start /nonexistent/prober: ")

	c.patience = time.Millisecond
	outcome, message := c.Probe(t.Context(), get(&net.TCPAddr{Port: 1}, "/"), "127.0.0.1")
	require.Equal(t, probe.Unknown, outcome)
	require.Equal(t, errNotRunning.Error(), message)
}

// The end of a probe's context is the end of waiting for it, and of nothing else.
func TestProbeIsCalledOff(t *testing.T) {
	asked := make(chan struct{}, 1)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/slow" {
			asked <- struct{}{}
			<-release
		}
	}))
	defer server.Close()
	defer close(release)
	c := run(t, goodProber)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	outcome, message := c.Probe(ctx, get(server.Listener.Addr(), "/slow"), "127.0.0.1")
	require.Equal(t, probe.Unknown, outcome)
	require.Equal(t, context.Canceled.Error(), message)

	outcome, message = c.Probe(t.Context(), get(server.Listener.Addr(), "/"), "127.0.0.1")
	require.Equal(t, probe.Success, outcome, message)
	outcome, _ = c.Probe(ctx, get(server.Listener.Addr(), "/"), "127.0.0.1")
	require.Equal(t, probe.Unknown, outcome)
}

// The end of Run's context ends the prober, and who waits for it.
func TestRunEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	c := New(slog.New(slog.NewTextHandler(t.Output(), nil)), os.Args[0], goodProber)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	go func() {
		connection, err := listener.Accept() // the probe is under way
		if err == nil {
			defer connection.Close()
		}
		cancel()
	}()
	outcome, _ := c.Probe(t.Context(), get(listener.Addr(), "/"), "127.0.0.1")
	require.NotEqual(t, probe.Success, outcome)
	running.Wait()
	require.Nil(t, c.session)
}
