package ready

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serve starts a Responder, and has it stopped and waited for at the end of the test.
func serve(t *testing.T) *Responder {
	r, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Serve(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return r
}

func client(t *testing.T) *http.Client {
	c := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func get(t *testing.T, c *http.Client, r *Responder, method, path string) (int, string) {
	request, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://%s%s", r.Address(), path), nil)
	require.NoError(t, err)
	response, err := c.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.True(t, response.Close, "Connection: close")
	return response.StatusCode, string(body)
}

func TestReadiness(t *testing.T) {
	r, c := serve(t), client(t)
	code, body := get(t, c, r, "GET", Path)
	require.Equal(t, 503, code)
	require.Equal(t, "starting", body)

	r.Set("")
	code, body = get(t, c, r, "GET", Path)
	require.Equal(t, 200, code)
	require.Equal(t, "ok", body)

	r.Set("container trainer: waits 10s after exit code 42")
	code, body = get(t, c, r, "GET", Path+"?verbose=1")
	require.Equal(t, 503, code)
	require.Equal(t, "container trainer: waits 10s after exit code 42", body)
}

func TestOtherRequests(t *testing.T) {
	r, c := serve(t), client(t)
	r.Set("")
	for _, test := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"HEAD", Path, 200, ""},
		{"GET", "/", 404, "not found"},
		{"GET", "/ready/", 404, "not found"},
		{"HEAD", "/healthz", 404, ""},
		{"POST", Path, 405, "method not allowed"},
		{"DELETE", Path, 405, "method not allowed"},
	} {
		t.Run(test.method+test.path, func(t *testing.T) {
			code, body := get(t, c, r, test.method, test.path)
			require.Equal(t, test.code, code)
			require.Equal(t, test.body, body)
		})
	}
}

func TestRawRequests(t *testing.T) {
	r := serve(t)
	r.Set("")
	for _, test := range []struct{ name, request, status string }{
		{"HTTP/1.0", "GET /ready HTTP/1.0\r\n\r\n", "200 OK"},
		{"bare line feeds", "GET /ready HTTP/1.1\nHost: pod\n\n", "200 OK"},
		{"body is not waited for", "POST /ready HTTP/1.1\r\nContent-Length: 100\r\n\r\n", "405 Method Not Allowed"},
		{"body", "GET /ready HTTP/1.1\r\nContent-Length: 10000\r\n\r\n" + strings.Repeat("x", 10000), "200 OK"},
		{"pipelined", strings.Repeat("GET /ready HTTP/1.1\r\n\r\n", 20), "200 OK"},
		{"too long", "GET /ready HTTP/1.1\r\nCookie: " + strings.Repeat("x", maxRequest) + "\r\n\r\n", "400 Bad Request"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 Bad Request"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", "400 Bad Request"},
		{"no version", "GET /ready\r\n\r\n", "400 Bad Request"},
		{"cut short", "GET /ready HTTP/1.1\r\n", "400 Bad Request"},
		{"nothing", "", "400 Bad Request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			connection, err := net.Dial("tcp", r.Address().String())
			require.NoError(t, err)
			defer connection.Close()
			_, err = io.WriteString(connection, test.request)
			require.NoError(t, err)
			if !strings.Contains(test.request, "\n\n") && !strings.Contains(test.request, "\r\n\r\n") {
				require.NoError(t, connection.(*net.TCPConn).CloseWrite())
			}
			text, err := io.ReadAll(connection)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(text), "HTTP/1.1 "+test.status+"\r\n"), "%q", text)
		})
	}
}

// Clients that say nothing fill all places, but not for long.
func TestSilentClients(t *testing.T) {
	r, c := serve(t), client(t)
	r.Set("")
	for range 3 * maxConnections {
		connection, err := net.Dial("tcp", r.Address().String())
		require.NoError(t, err)
		defer connection.Close()
	}
	code, _ := get(t, c, r, "GET", Path)
	require.Equal(t, 200, code)
	require.LessOrEqual(t, len(r.buffers), maxConnections)
}

func TestManyClients(t *testing.T) {
	r, c := serve(t), client(t)
	r.Set("")
	var clients sync.WaitGroup
	for range 10 * maxConnections {
		clients.Go(func() {
			response, err := c.Get(fmt.Sprintf("http://%s%s", r.Address(), Path))
			if err == nil {
				err = response.Body.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
}

// The end of the context ends connections, too.
func TestServeEnds(t *testing.T) {
	r, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	connection, err := net.Dial("tcp", r.Address().String())
	require.NoError(t, err)
	defer connection.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Serve(ctx)
	_, err = net.Dial("tcp", r.Address().String())
	require.Error(t, err)
}

func TestListenError(t *testing.T) {
	r := serve(t)
	_, err := Listen(r.Address().String())
	require.ErrorContains(t, err, "readiness: ")
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /ready?x HTTP/1.0\n\n", "\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "\x16\x03\x01"} {
		f.Add([]byte(seed), "waits")
	}
	f.Fuzz(func(t *testing.T, request []byte, reason string) {
		buffer := make([]byte, maxRequest)
		head, err := readHead(strings.NewReader(string(request)), buffer)
		if err != nil {
			return
		}
		text := answer(head, reason)
		before, body, ok := strings.Cut(text, "\r\n\r\n")
		require.True(t, ok)
		require.True(t, strings.HasPrefix(before, "HTTP/1.1 "))
		require.Contains(t, before, "Connection: close")
		if body != "" {
			require.Contains(t, before, fmt.Sprintf("Content-Length: %d\r\n", len(body)))
		}
		if strings.HasPrefix(text, "HTTP/1.1 200") {
			require.Empty(t, reason)
			require.Regexp(t, `^(GET|HEAD) /ready(\?[^ ]*)? HTTP/1\.[01]`, string(request))
		}
	})
}
