package admission

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/certs/selfsigned"
)

const (
	// patience is how long a test waits for what must come.
	patience = 30 * time.Second
	interval = 5 * time.Millisecond
)

// testServer is a running Serve.
type testServer struct {
	options ServerOptions
	client  *http.Client
	stop    context.CancelFunc
	done    chan error
}

// startServer runs Serve on the loopback address with the certificate in certDir until the test
// ends, and returns when it is ready.
func startServer(t *testing.T, certDir string, handlers map[string]http.Handler, delay time.Duration) *testServer {
	t.Helper()
	options := serverOptions(t, certDir)
	options.ShutdownDelay = delay
	return startServerWith(t, handlers, options)
}

func serverOptions(t *testing.T, certDir string) ServerOptions {
	t.Helper()
	return ServerOptions{
		Host: "127.0.0.1", Port: freePort(t), CertDir: certDir,
		MetricsBindAddress:     fmt.Sprintf("127.0.0.1:%d", freePort(t)),
		HealthProbeBindAddress: fmt.Sprintf("127.0.0.1:%d", freePort(t)),
	}
}

func startServerWith(t *testing.T, handlers map[string]http.Handler, options ServerOptions) *testServer {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &testServer{
		options: options,
		client: &http.Client{Timeout: patience, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool(t, options.CertDir), ServerName: "localhost"},
		}},
		stop: stop,
		done: make(chan error, 1),
	}
	go func() { s.done <- Serve(ctx, handlers, s.options) }()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		stop()
		select {
		case <-s.done:
		case <-time.After(patience):
			t.Error("Serve did not return")
		}
	})
	s.waitForReady(t, http.StatusOK)
	return s
}

func (s *testServer) waitForReady(t *testing.T, code int) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + s.options.HealthProbeBindAddress + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == code
	}, patience, interval)
}

func (s *testServer) url(path string) string {
	return fmt.Sprintf("https://%s:%d%s", s.options.Host, s.options.Port, path)
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func newCerts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	_, err := selfsigned.Ensure(dir, []string{"localhost"}, time.Now())
	require.NoError(t, err)
	return dir
}

func pool(t *testing.T, certDir string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(certDir, selfsigned.CAFile))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	return pool
}

func get(t *testing.T, client *http.Client, url string) (*http.Response, string) {
	t.Helper()
	response, err := client.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

func TestServe(t *testing.T) {
	hook, _ := newTestWebhook(t)
	s := startServer(t, newCerts(t), hook.Handlers(), 0)

	response, err := s.client.Post(s.url(MutatePath), "application/json",
		strings.NewReader(string(encodeJSON(t, create(t, rulesPod())))))
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.EqualValues(t, tls.VersionTLS13, response.TLS.Version)

	response, _ = get(t, s.client, s.url("/"))
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	response, _ = get(t, http.DefaultClient, "http://"+s.options.HealthProbeBindAddress+"/healthz")
	require.Equal(t, http.StatusOK, response.StatusCode)
	_, text := get(t, http.DefaultClient, "http://"+s.options.MetricsBindAddress+"/metrics")
	require.Contains(t, text, "certwatcher_read_certificate_total")

	old := &tls.Config{RootCAs: pool(t, s.options.CertDir), ServerName: "localhost", MaxVersion: tls.VersionTLS12}
	_, err = tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.options.Port), old)
	require.ErrorContains(t, err, "protocol version")

	s.stop()
	require.NoError(t, <-s.done)
	s.done <- nil
}

// TestOlderTLS: TLS 1.2 is spoken where that is said, and nothing older.
func TestOlderTLS(t *testing.T) {
	options := serverOptions(t, newCerts(t))
	options.MinTLSVersion = tls.VersionTLS12
	s := startServerWith(t, nil, options)
	for version, spoken := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		config := &tls.Config{RootCAs: pool(t, options.CertDir), ServerName: "localhost", MinVersion: version, MaxVersion: version}
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.options.Port), config)
		if !spoken {
			require.ErrorContains(t, err, "protocol version", tls.VersionName(version))
			continue
		}
		require.NoError(t, err, tls.VersionName(version))
		require.NoError(t, conn.Close())
	}
}

func TestServeWithoutCertificate(t *testing.T) {
	err := Serve(t.Context(), nil, ServerOptions{CertDir: t.TempDir()})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "load the serving certificate")
}

func TestServeFailsAsAWhole(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for name, change := range map[string]func(*ServerOptions){
		"webhook server":      func(o *ServerOptions) { o.Port = port },
		"health probe server": func(o *ServerOptions) { o.HealthProbeBindAddress = taken.Addr().String() },
		"metrics server":      func(o *ServerOptions) { o.MetricsBindAddress = taken.Addr().String() },
	} {
		t.Run(name, func(t *testing.T) {
			options := ServerOptions{
				Host: "127.0.0.1", Port: freePort(t), CertDir: newCerts(t),
				MetricsBindAddress: "127.0.0.1:0", HealthProbeBindAddress: "127.0.0.1:0",
				ShutdownDelay: time.Hour,
			}
			change(&options)
			err := Serve(t.Context(), nil, options)
			require.ErrorContains(t, err, name)
			require.ErrorContains(t, err, "address already in use")
		})
	}
}

func TestDrain(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	handlers := map[string]http.Handler{
		"/slow": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			fmt.Fprint(w, "answered")
		}),
		"/fast": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "answered") }),
	}
	s := startServer(t, newCerts(t), handlers, 500*time.Millisecond)
	response, _ := get(t, s.client, s.url("/fast"))
	require.False(t, response.Close)

	slow := make(chan error, 1)
	go func() {
		response, err := s.client.Get(s.url("/slow"))
		if err == nil {
			defer response.Body.Close()
			var body []byte
			if body, err = io.ReadAll(response.Body); err == nil && string(body) != "answered" {
				err = fmt.Errorf("body %q", body)
			}
		}
		slow <- err
	}()
	<-entered
	s.stop()

	// Unready, but still answering, and no longer keeping connections.
	s.waitForReady(t, http.StatusInternalServerError)
	response, body := get(t, s.client, s.url("/fast"))
	require.Equal(t, "answered", body)
	require.True(t, response.Close)

	// No new connections once the delay is over, but the request in flight is still waited for.
	require.Eventually(t, func() bool {
		response, err := s.client.Get(s.url("/fast"))
		if err == nil {
			response.Body.Close()
		}
		return err != nil
	}, patience, interval)
	select {
	case err := <-s.done:
		require.Failf(t, "Serve returned with a request in flight", "error: %v", err)
	default:
	}
	close(release)
	require.NoError(t, <-slow)
	require.NoError(t, <-s.done)
	s.done <- nil
}

// TestCertificateIsReloaded swaps certificates the way the kubelet updates a Secret's volume: the
// files are links into a directory behind a link, which is replaced.
func TestCertificateIsReloaded(t *testing.T) {
	dir := t.TempDir()
	publish := func() string {
		from := newCerts(t)
		require.NoError(t, os.Symlink(from, filepath.Join(dir, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		return from
	}
	first := publish()
	for _, name := range []string{selfsigned.CAFile, CertFile, KeyFile} {
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	s := startServer(t, dir, nil, 0)
	trusted := func(certDir string) bool {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.options.Port),
			&tls.Config{RootCAs: pool(t, certDir), ServerName: "localhost"})
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	require.True(t, trusted(first))

	second := publish()
	require.NoError(t, os.RemoveAll(first))
	require.Eventually(t, func() bool { return trusted(second) }, patience, interval)
}
