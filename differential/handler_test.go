package differential

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	kubeprobe "k8s.io/kubernetes/pkg/probe"
	grpcprobe "k8s.io/kubernetes/pkg/probe/grpc"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
	tcpprobe "k8s.io/kubernetes/pkg/probe/tcp"

	"restartrules.dev/pkg/probe"
	"restartrules.dev/pkg/probe/network"
)

// Timeouts of probes that are to run into them, and of all others.
const (
	short = 200 * time.Millisecond
	long  = 30 * time.Second
)

// outcomeOf is what the kubelet makes of a result (pkg/kubelet/prober/prober.go, probe).
func outcomeOf(result kubeprobe.Result, err error) probe.Outcome {
	switch {
	case err != nil:
		return probe.Unknown
	case result == kubeprobe.Success || result == kubeprobe.Warning:
		return probe.Success
	default:
		return probe.Failure
	}
}

// recorder is a server that answers by path and keeps what it was asked.
type recorder struct {
	mu       sync.Mutex
	requests []string
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.requests
	r.requests = nil
	return taken
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	header := q.Header.Clone()
	if strings.HasPrefix(header.Get("User-Agent"), "kube-probe/") {
		header.Set("User-Agent", "kube-probe/") // the version is nobody's here
	}
	if !strings.HasPrefix(q.URL.Path, "/slow") { // on a busy machine the timeout may come before
		r.mu.Lock()
		r.requests = append(r.requests, fmt.Sprintln(q.Method, q.RequestURI, q.Proto, q.Host, header))
		r.mu.Unlock()
	}
	switch path := q.URL.Path; {
	case strings.HasPrefix(path, "/status/"):
		code, _ := strconv.Atoi(strings.TrimPrefix(path, "/status/"))
		w.WriteHeader(code)
		fmt.Fprint(w, "body")
	case path == "/redirect/local":
		http.Redirect(w, q, "/status/200", http.StatusFound)
	case path == "/redirect/failing":
		http.Redirect(w, q, "/status/500", http.StatusMovedPermanently)
	case path == "/redirect/away":
		http.Redirect(w, q, "http://elsewhere.invalid/status/500", http.StatusTemporaryRedirect)
	case path == "/redirect/loop":
		http.Redirect(w, q, "/redirect/loop", http.StatusFound)
	case path == "/redirect/nowhere":
		w.WriteHeader(http.StatusFound)
	case path == "/long":
		for range 1000 {
			fmt.Fprint(w, strings.Repeat("x", 1000))
		}
	case path == "/short": // breaks off
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "x")
	case path == "/slow":
		<-q.Context().Done()
	case path == "/slowbody":
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-q.Context().Done()
	case path == "/abort":
		panic(http.ErrAbortHandler)
	}
}

// TestHTTPProbes wants the same outcome as the kubelet's, and the server to be asked the same.
func TestHTTPProbes(t *testing.T) {
	r := new(recorder)
	quiet := log.New(io.Discard, "", 0)
	plain := httptest.NewUnstartedServer(r)
	plain.Config.ErrorLog = quiet
	plain.Start()
	defer plain.Close()
	secure := httptest.NewUnstartedServer(r)
	secure.Config.ErrorLog = quiet
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	closed := httptest.NewServer(r)
	closed.Close()

	header := func(pairs ...string) (headers []corev1.HTTPHeader) {
		for i := 0; i < len(pairs); i += 2 {
			headers = append(headers, corev1.HTTPHeader{Name: pairs[i], Value: pairs[i+1]})
		}
		return headers
	}
	var gets []corev1.HTTPGetAction
	for _, path := range []string{"/status/200", "/status/204", "/status/299", "/status/304", "/status/399", "/status/400", "/status/404", "/status/500", "/status/503",
		"/redirect/local", "/redirect/failing", "/redirect/away", "/redirect/loop", "/redirect/nowhere", "/long", "/short", "/slow", "/slowbody", "/abort",
		"status/200", "", "/status/200?a=b&c=d", "/status/200#f", "/a b", "/%zz", "/%2F?%zz", "//double", "/ü", "http://other.invalid/status/200", ":", "?", "/\x7f"} {
		gets = append(gets, corev1.HTTPGetAction{Path: path})
	}
	for _, headers := range [][]corev1.HTTPHeader{
		header("X-One", "1", "x-one", "2"), header("Host", "example.com"), header("host", "example.com:1"), header("User-Agent", "me"), header("user-agent", ""),
		header("Accept", "text/html"), header("Accept", ""), header("Authorization", "Basic x"), header("Connection", "keep-alive"),
		header("Accept-Encoding", "gzip"), header("Content-Length", "5"), header("X", "\n"), header("Bad Name", "1"), header("X-Spaces", " a "),
	} {
		gets = append(gets, corev1.HTTPGetAction{Path: "/status/200", HTTPHeaders: headers})
	}
	for _, server := range []*httptest.Server{plain, secure, closed} {
		address := server.Listener.Addr().(*net.TCPAddr)
		for _, get := range gets {
			for _, scheme := range []corev1.URIScheme{corev1.URISchemeHTTP, corev1.URISchemeHTTPS} {
				for _, host := range []string{"", "localhost"} {
					get.Scheme, get.Host, get.Port = scheme, host, intstr.FromInt(address.Port)
					timeout := long
					switch get.Path {
					case "/slow":
						timeout = short
					case "/slowbody":
						timeout = 5 * short // the head has to be there before
					}
					name := fmt.Sprintf("%s %+v", server.URL, get)

					var want probe.Outcome
					request, err := httpprobe.NewRequestForHTTPGetAction(&get, &corev1.Container{}, "127.0.0.1", "probe")
					if err == nil {
						result, _, err := httpprobe.New(false).Probe(request, timeout)
						want = outcomeOf(result, err)
					}
					wantRequests := r.take()

					got, message := network.HTTP(t.Context(), ourGet(&get), "127.0.0.1", timeout)
					require.Equal(t, want, got, "%s: %s", name, message)
					require.Equal(t, wantRequests, r.take(), name)
				}
			}
		}
	}
}

func ourGet(get *corev1.HTTPGetAction) *probe.HTTPGetAction {
	ours := &probe.HTTPGetAction{Path: get.Path, Port: probe.Port(get.Port.IntVal), Host: get.Host, Scheme: string(get.Scheme)}
	for _, h := range get.HTTPHeaders {
		ours.HTTPHeaders = append(ours.HTTPHeaders, probe.HTTPHeader{Name: h.Name, Value: h.Value})
	}
	return ours
}

// TestGRPCProbes wants the same outcome and the same words as the kubelet's.
func TestGRPCProbes(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		return l
	}
	healthy, without, silent, closed := listen(), listen(), listen(), listen()
	require.NoError(t, closed.Close())
	for listener, withHealth := range map[net.Listener]bool{healthy: true, without: false} {
		server := grpc.NewServer()
		if withHealth {
			h := health.NewServer()
			h.SetServingStatus("up", grpc_health_v1.HealthCheckResponse_SERVING)
			h.SetServingStatus("down", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
			h.SetServingStatus("odd", grpc_health_v1.HealthCheckResponse_UNKNOWN)
			grpc_health_v1.RegisterHealthServer(server, h)
		}
		var running sync.WaitGroup
		running.Go(func() { _ = server.Serve(listener) })
		t.Cleanup(func() { server.Stop(); running.Wait() })
	}
	for _, listener := range []net.Listener{healthy, without, silent, closed} {
		port := listener.Addr().(*net.TCPAddr).Port
		timeout := long
		if listener == silent || listener == closed {
			timeout = short
		}
		for _, service := range []string{"", "up", "down", "odd", "none"} {
			result, want, err := grpcprobe.New().Probe("127.0.0.1", service, port, timeout)
			outcome, message := network.GRPC(t.Context(), &probe.GRPCAction{Port: probe.Port(port), Service: service}, "127.0.0.1", timeout)
			require.Equal(t, outcomeOf(result, err), outcome, "%s: %s", want, message)
			if outcome == probe.Success {
				want = ""
			}
			require.Equal(t, want, message)
		}
	}
}

// TestTCPProbes wants the same outcome and the same words as the kubelet's.
func TestTCPProbes(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer open.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for _, listener := range []net.Listener{open, closed} {
		for _, host := range []string{"", "localhost", "127.0.0.1", "name.invalid"} {
			port := listener.Addr().(*net.TCPAddr).Port
			podIP := "127.0.0.1"
			wantHost := host
			if host == "" {
				wantHost = podIP
			}
			result, want, err := tcpprobe.New().Probe(wantHost, port, long)
			outcome, message := probe.TCP(context.Background(), &probe.TCPSocketAction{Port: probe.Port(port), Host: host}, podIP, long)
			require.Equal(t, outcomeOf(result, err), outcome, message)
			require.Equal(t, want, message)
		}
	}
}
