package network

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"restartrules.dev/pkg/probe"
)

// enough is longer than a probe takes that doesn't run into its timeout.
const enough = 30 * time.Second

func portOf(address net.Addr) probe.Port { return probe.Port(address.(*net.TCPAddr).Port) }

// handler answers by path.
func handler(w http.ResponseWriter, q *http.Request) {
	switch q.URL.Path {
	case "/ok":
	case "/echo": // what was asked, as a failure's code, so that a test sees it
		if q.Host != "example.com" || q.UserAgent() != "me" || q.Header.Get("Accept") != "" || q.Header.Get("X-Probe") != "1" || q.URL.RawQuery != "a=b" {
			w.WriteHeader(http.StatusTeapot)
		}
	case "/defaults":
		if !strings.HasPrefix(q.UserAgent(), "kube-probe/") || q.Header.Get("Accept") != "*/*" || q.Header.Get("Accept-Encoding") != "" || !q.Close && q.ProtoMajor == 1 {
			w.WriteHeader(http.StatusTeapot)
		}
	case "/away":
		http.Redirect(w, q, "http://elsewhere.invalid/", http.StatusFound)
	case "/local":
		http.Redirect(w, q, "/ok", http.StatusFound)
	case "/short":
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "x")
	case "/slow":
		<-q.Context().Done()
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func TestHTTP(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(handler))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(handler))
	defer secure.Close()
	headers := []probe.HTTPHeader{{Name: "Host", Value: "example.com"}, {Name: "user-agent", Value: "me"}, {Name: "Accept"}, {Name: "X-Probe", Value: "1"}}
	for _, test := range []struct {
		name    string
		get     probe.HTTPGetAction
		timeout time.Duration
		want    probe.Outcome
		message string
	}{
		{"200", probe.HTTPGetAction{Path: "/ok"}, enough, probe.Success, ""},
		{"503", probe.HTTPGetAction{Path: "/"}, enough, probe.Failure, "HTTP probe failed with statuscode: 503"},
		{"headers", probe.HTTPGetAction{Path: "/echo?a=b", HTTPHeaders: headers}, enough, probe.Success, ""},
		{"default headers", probe.HTTPGetAction{Path: "/defaults"}, enough, probe.Success, ""},
		{"host of its own", probe.HTTPGetAction{Path: "/ok", Host: "localhost"}, enough, probe.Success, ""},
		{"redirect to another host", probe.HTTPGetAction{Path: "/away"}, enough, probe.Success, "Probe terminated redirects, Response body: "},
		{"redirect", probe.HTTPGetAction{Path: "/local"}, enough, probe.Success, ""},
		{"timeout", probe.HTTPGetAction{Path: "/slow"}, 50 * time.Millisecond, probe.Failure, `Get "http`},
		{"breaks off", probe.HTTPGetAction{Path: "/short"}, enough, probe.Unknown, "unexpected EOF"},
		{"bad header", probe.HTTPGetAction{Path: "/ok", HTTPHeaders: []probe.HTTPHeader{{Name: "a b"}}}, enough, probe.Failure, "invalid header"},
	} {
		for scheme, server := range map[string]*httptest.Server{"HTTP": plain, "HTTPS": secure} {
			t.Run(test.name+" "+scheme, func(t *testing.T) {
				get := test.get
				get.Scheme, get.Port = scheme, portOf(server.Listener.Addr())
				outcome, message := HTTP(t.Context(), &get, "127.0.0.1", test.timeout)
				require.Equal(t, test.want.String(), outcome.String(), message)
				require.Contains(t, message, test.message)
				if test.message == "" {
					require.Empty(t, message)
				}
			})
		}
	}
}

// A probe that is called off says nothing of the container.
func TestCalledOff(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	port := portOf(listener.Addr())
	outcome, _ := HTTP(ctx, &probe.HTTPGetAction{Port: port}, "127.0.0.1", enough)
	require.Equal(t, probe.Unknown, outcome)
	outcome, _ = GRPC(ctx, &probe.GRPCAction{Port: port}, "127.0.0.1", enough)
	require.Equal(t, probe.Unknown, outcome)
}

// grpcServer is a health server where "up" serves and "down" doesn't, or a server without health.
func grpcServer(t *testing.T, withHealth bool) probe.Port {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	if withHealth {
		h := health.NewServer()
		h.SetServingStatus("up", grpc_health_v1.HealthCheckResponse_SERVING)
		h.SetServingStatus("down", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		grpc_health_v1.RegisterHealthServer(server, h)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); running.Wait() })
	return portOf(listener.Addr())
}

func TestGRPC(t *testing.T) {
	healthy, without := grpcServer(t, true), grpcServer(t, false)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for _, test := range []struct {
		name    string
		port    probe.Port
		service string
		timeout time.Duration
		want    probe.Outcome
		message string
	}{
		{"server", healthy, "", enough, probe.Success, ""},
		{"service", healthy, "up", enough, probe.Success, ""},
		{"not serving", healthy, "down", enough, probe.Failure, `service unhealthy (responded with "NOT_SERVING")`},
		{"no such service", healthy, "other", enough, probe.Failure, "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"},
		{"no health", without, "", enough, probe.Failure, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service grpc.health.v1.Health"},
		{"no server", portOf(closed.Addr()), "", 50 * time.Millisecond, probe.Failure, "timeout: failed to connect service"},
	} {
		t.Run(test.name, func(t *testing.T) {
			outcome, message := GRPC(t.Context(), &probe.GRPCAction{Port: test.port, Service: test.service}, "127.0.0.1", test.timeout)
			require.Equal(t, test.want.String(), outcome.String(), message)
			require.Contains(t, message, test.message)
			if test.message == "" {
				require.Empty(t, message)
			}
		})
	}
}

func TestShorten(t *testing.T) {
	require.Equal(t, "why", shorten("why"))
	long := shorten("x" + strings.Repeat("ü", probe.MaxMessage))
	require.Len(t, long, probe.MaxMessage-1)
	require.True(t, utf8.ValidString(long))
	require.Equal(t, "ab", shorten("a\xffb"))
}
