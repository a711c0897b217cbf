package entrypoint

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/entrypoint/keyring"
)

// testRegistry is a registry over TLS.
type testRegistry struct {
	*httptest.Server
	host, caFile string
	// users may read, by name; empty: everybody may.
	users map[string]string
	// instead, if set, answers in place of the registry.
	instead http.HandlerFunc

	mutex sync.Mutex
	asked []string // GET and HEAD
}

func newRegistry(t testing.TB) *testRegistry {
	r := &testRegistry{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mutex.Lock()
		users, instead := r.users, r.instead
		if req.Method == http.MethodGet || req.Method == http.MethodHead {
			r.asked = append(r.asked, req.Method+" "+req.URL.Path)
		}
		r.mutex.Unlock()
		if user, password, _ := req.BasicAuth(); len(users) > 0 && (user == "" || users[user] != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if instead != nil {
			instead(w, req)
			return
		}
		inner.ServeHTTP(w, req)
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(r.Close)
	r.host = strings.TrimPrefix(r.URL, "https://")
	r.caFile = filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	require.NoError(t, os.WriteFile(r.caFile, text, 0o600))
	return r
}

func (r *testRegistry) setting() Registry { return Registry{Host: r.host, CAFile: r.caFile} }

// requests are those since the last call.
func (r *testRegistry) requests() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

func (r *testRegistry) answer(instead http.HandlerFunc, users map[string]string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.instead, r.users = instead, users
}

// image is an image that runs these.
func image(t testing.TB, architecture string, entrypoint, cmd []string) v1.Image {
	i, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: architecture, OS: "linux", Config: v1.Config{Entrypoint: entrypoint, Cmd: cmd}})
	require.NoError(t, err)
	return i
}

// push pushes images, as an index if there are several, and returns the digest.
func (r *testRegistry) push(t testing.TB, path string, images ...v1.Image) (digest string) {
	reference, err := name.ParseReference(r.host + "/" + path)
	require.NoError(t, err)
	options := []remote.Option{remote.WithTransport(r.Client().Transport), remote.WithAuth(authn.Anonymous)}
	var hash v1.Hash
	if len(images) == 1 {
		require.NoError(t, remote.Write(reference, images[0], options...))
		hash, err = images[0].Digest()
	} else {
		index := v1.ImageIndex(empty.Index)
		for _, i := range images {
			config, err := i.ConfigFile()
			require.NoError(t, err)
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: i, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: config.OS, Architecture: config.Architecture}}})
		}
		require.NoError(t, remote.WriteIndex(reference, index, options...))
		hash, err = index.Digest()
	}
	require.NoError(t, err)
	r.requests()
	return hash.String()
}

// testSecrets are pull secrets by namespace/name: user:password for a host.
type testSecrets struct {
	host  string
	by    map[string]string
	mutex sync.Mutex
	read  int
}

func (s *testSecrets) Keyring(_ context.Context, namespace string, names []string) (*keyring.Keyring, error) {
	s.mutex.Lock()
	s.read++
	s.mutex.Unlock()
	k := new(keyring.Keyring)
	for _, n := range names {
		login, ok := s.by[namespace+"/"+n]
		if !ok {
			return k, fmt.Errorf("imagePullSecret %q: there is no such Secret", n)
		}
		user, password, _ := strings.Cut(login, ":")
		if err := k.AddConfigJSON([]byte(fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, s.host, user, password))); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func newResolver(t testing.TB, o Options) *Resolver {
	ctx, cancel := context.WithCancel(context.Background())
	r, err := New(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { cancel(); r.Wait() })
	return r
}

// newPlain serves without TLS.
func newPlain(t testing.TB, handler http.Handler) (host string) {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}
