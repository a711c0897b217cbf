//go:build integration

package lookup

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/pki"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	hugeSize     = 500 << 20
	// slowness is how long a slow registry takes for an answer.
	slowness = 30 * time.Second
)

// answers is how a registry answers what is asked for an image: its manifest, and its configuration.
type answers struct {
	ping, manifest, config http.HandlerFunc
}

// registry is one on loopback, with TLS.
type registry struct {
	host  string
	asked atomic.Int64
}

// newRegistry serves until the test is over, and longer to nobody: requests that are under way then are cut off.
func newRegistry(t *testing.T, authority *pki.Authority, a answers) *registry {
	t.Helper()
	r := &registry{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		switch {
		case req.URL.Path == "/v2/":
			a.ping(w, req)
		case strings.Contains(req.URL.Path, "/manifests/"):
			a.manifest(w, req)
		default:
			a.config(w, req)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, authority)}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	r.host = server.Listener.Addr().String()
	return r
}

func certificate(t *testing.T, authority *pki.Authority) tls.Certificate {
	t.Helper()
	pair, err := authority.Issue(pki.Subject{User: "registry", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	require.NoError(t, err)
	c, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	require.NoError(t, err)
	return c
}

// downRegistry is one that doesn't run.
func downRegistry(t *testing.T) *registry {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return &registry{host: listener.Addr().String()}
}

// silentRegistry lets connections in, and says nothing: not even TLS.
func silentRegistry(t *testing.T) *registry {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	return &registry{host: listener.Addr().String()}
}

// good are the answers of a registry that has an image with an entry point under every name. Each test changes one.
func good() answers {
	config := []byte(`{"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/app"]}, "rootfs": {"type": "layers", "diff_ids": []}}`)
	return answers{
		ping:     func(http.ResponseWriter, *http.Request) {},
		manifest: body(manifestType, manifest(len(config), digest(config))),
		config:   body("application/octet-stream", config),
	}
}

func manifest(size int, digest string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion": 2, "mediaType": %q, "config": {"mediaType": %q, "size": %d, "digest": %q}, "layers": []}`,
		manifestType, configType, size, digest)
}

func digest(text []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(text)) }

func body(mediaType string, text []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(text) // who has enough of it goes away
	}
}

func garbage(size int) []byte {
	text := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(text) // never fails
	return text
}

// status refuses as registries do.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"errors": [{"code": "UNKNOWN", "message": "this is what the registry says"}]}`)
	}
}

// slow answers, too late.
func slow(late http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(slowness):
			late(w, req)
		case <-req.Context().Done():
		}
	}
}

// trickle begins at once and sends a byte a second.
func trickle(mediaType string, text []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		every := time.NewTicker(time.Second)
		defer every.Stop()
		for _, b := range text {
			_, _ = w.Write([]byte{b})
			_ = http.NewResponseController(w).Flush()
			select {
			case <-every.C:
			case <-req.Context().Done():
				return
			}
		}
	}
}

// huge is an answer of hugeSize bytes that begins like JSON, and does not say how long it is.
func huge(mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		piece := bytes.Repeat([]byte("a"), 1<<20)
		_, err := io.WriteString(w, `{"schemaVersion": 2, "a": "`)
		for sent := 0; err == nil && sent < hugeSize; sent += len(piece) {
			_, err = w.Write(piece)
		}
	}
}

// elsewhere leads on for ever.
func elsewhere(w http.ResponseWriter, req *http.Request) {
	http.Redirect(w, req, req.URL.Path+"x", http.StatusTemporaryRedirect)
}
