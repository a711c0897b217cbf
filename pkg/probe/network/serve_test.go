package network

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/probe"
)

func TestServe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(handler))
	defer server.Close()
	port := portOf(server.Listener.Addr())
	health := grpcServer(t, true)
	requests := fmt.Sprintf(`{"id":1,"probe":{"httpGet":{"path":"/ok","port":%d}},"host":"127.0.0.1"}
{"id":2,"probe":{"httpGet":{"path":"/no","port":"%[1]d"}},"host":"127.0.0.1","timeoutMillis":30000}
{"id":3,"probe":{"tcpSocket":{"port":%[1]d}},"host":"127.0.0.1","timeoutMillis":30000}
{"id":4,"probe":{"grpc":{"port":%d,"service":"up"}},"host":"127.0.0.1","timeoutMillis":30000}
{"id":5,"probe":{"exec":{"command":["true"]}},"host":"127.0.0.1"}
{"id":6}
`, port, health)
	in, feed := io.Pipe()
	out, answers := newLines(t)
	served := make(chan error, 1)
	go func() { served <- Serve(t.Context(), in, out) }()
	_, err := io.WriteString(feed, requests)
	require.NoError(t, err)
	got := map[uint64]string{}
	for range 6 {
		r := <-answers
		got[r.ID] = strings.TrimSpace(r.Result.String() + " " + r.Message)
	}
	require.NoError(t, feed.Close())
	require.NoError(t, <-served)
	require.Equal(t, map[uint64]string{
		1: "success", 2: "failure HTTP probe failed with statuscode: 503", 3: "success", 4: "success",
		5: "unknown the probe has no handler that the prober knows: expected httpGet, grpc or tcpSocket",
		6: "unknown the request has no probe",
	}, got)
}

// newLines is a writer for replies, and what was written.
func newLines(t *testing.T) (io.Writer, <-chan probe.Reply) {
	r, w := io.Pipe()
	replies := make(chan probe.Reply)
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			var reply probe.Reply
			if err := json.Unmarshal(lines.Bytes(), &reply); err != nil {
				t.Errorf("%q: %v", lines.Bytes(), err)
			}
			replies <- reply
		}
	})
	t.Cleanup(func() { w.Close(); reading.Wait() })
	return w, replies
}

// No more than MaxRequests run at once; the others wait their turn, and all are answered.
func TestServeIsBounded(t *testing.T) {
	var now, most atomic.Int32
	var once sync.Once
	full := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == probe.MaxRequests {
			once.Do(func() { close(full) })
		}
		<-full
	}))
	defer server.Close()
	in, feed := io.Pipe()
	out, answers := newLines(t)
	served := make(chan error, 1)
	go func() { served <- Serve(t.Context(), in, out) }()
	const requests = probe.MaxRequests + 1
	sent := make(chan error, 1)
	go func() {
		var err error
		for id := range requests {
			_, err = fmt.Fprintf(feed, `{"id":%d,"probe":{"httpGet":{"port":%d}},"host":"127.0.0.1","timeoutMillis":30000}`+"\n", id, portOf(server.Listener.Addr()))
		}
		sent <- err
	}()
	for range requests {
		require.Equal(t, probe.Success, (<-answers).Result)
	}
	require.NoError(t, <-sent)
	require.NoError(t, feed.Close())
	require.NoError(t, <-served)
	require.EqualValues(t, probe.MaxRequests, most.Load())
}

// When its stdin ends, so do the probes under way.
func TestServeEnds(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	var out bytes.Buffer
	line := fmt.Sprintf(`{"id":1,"probe":{"httpGet":{"port":%d}},"host":"127.0.0.1","timeoutMillis":3600000}`, portOf(silent.Addr()))
	require.NoError(t, Serve(t.Context(), strings.NewReader(line+"\n"), &out))
	require.Empty(t, out.String())
}

func TestServeErrors(t *testing.T) {
	require.ErrorContains(t, Serve(t.Context(), strings.NewReader("nonsense\n"), io.Discard), "request: ")
	require.ErrorContains(t, Serve(t.Context(), strings.NewReader(strings.Repeat("x", maxLine+1)), io.Discard), "read requests: ")

	in, feed := io.Pipe()
	broken := brokenWriter{make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- Serve(t.Context(), in, broken) }()
	_, err := io.WriteString(feed, `{"id":1}`+"\n")
	require.NoError(t, err)
	<-broken.written
	require.NoError(t, feed.Close())
	require.ErrorContains(t, <-served, "write reply: broken")
}

type brokenWriter struct{ written chan struct{} }

func (w brokenWriter) Write([]byte) (int, error) {
	close(w.written)
	return 0, errors.New("broken")
}

func FuzzServe(f *testing.F) {
	f.Add([]byte(`{"id":1,"probe":{"exec":{"command":["true"]}}}` + "\n{}\n"))
	f.Add([]byte(`{"id":-1}`))
	f.Add([]byte(`{"id":1,"probe":{"httpGet":{"port":0}}}`))
	f.Add([]byte("null\n\n[]"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for line := range bytes.Lines(in) {
			var r probe.Request
			if json.Unmarshal(line, &r) == nil && r.Probe != nil && (r.Probe.HTTPGet != nil || r.Probe.GRPC != nil || r.Probe.TCPSocket != nil) {
				t.Skip("would use the network")
			}
		}
		var out bytes.Buffer
		_ = Serve(t.Context(), bytes.NewReader(in), &out)
		for line := range bytes.Lines(out.Bytes()) {
			var reply probe.Reply
			require.NoError(t, json.Unmarshal(line, &reply))
			require.Equal(t, probe.Unknown, reply.Result)
		}
	})
}
