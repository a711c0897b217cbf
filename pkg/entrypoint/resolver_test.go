package entrypoint

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/imageconfig"
)

func TestLookup(t *testing.T) {
	reg := newRegistry(t)
	both := func(cmd string) []v1.Image {
		return []v1.Image{image(t, "amd64", []string{"/app"}, []string{cmd}), image(t, "arm64", []string{"/app"}, []string{"arm"})}
	}
	digest := reg.push(t, "team/app:1", image(t, "amd64", []string{"/app"}, []string{"serve"}))
	reg.push(t, "team/index:1", append(both("amd"), image(t, "s390x", []string{"/big"}, nil))...)
	reg.push(t, "team/other:1", image(t, "s390x", []string{"/big"}, nil), image(t, "ppc64le", nil, nil))
	r := newResolver(t, Options{Registries: []Registry{reg.setting()}})

	got, err := r.Lookup(t.Context(), Request{Namespace: "a", Image: reg.host + "/team/app:1"})
	require.NoError(t, err)
	want := []imageconfig.Platform{{Architecture: "amd64", Process: imageconfig.Process{Entrypoint: []string{"/app"}, Cmd: []string{"serve"}}}}
	require.Equal(t, &imageconfig.Image{Digest: digest, Platforms: want}, got)
	require.Len(t, reg.requests(), 3) // one to learn how the registry is asked, which is remembered

	again, err := r.Lookup(t.Context(), Request{Namespace: "b", Image: reg.host + "/team/app:1"})
	require.NoError(t, err)
	require.Same(t, got, again)
	require.Empty(t, reg.requests())

	// The same by digest: nobody has said yet what that is, but its content is known.
	again, err = r.Lookup(t.Context(), Request{Image: reg.host + "/team/app@" + digest})
	require.NoError(t, err)
	require.Same(t, got, again)
	require.Len(t, reg.requests(), 1)

	got, err = r.Lookup(t.Context(), Request{Image: reg.host + "/team/index:1"})
	require.NoError(t, err)
	require.Len(t, got.Platforms, 2)
	require.Equal(t, "amd64", got.Platforms[0].Architecture)
	require.Equal(t, []string{"arm"}, got.Platforms[1].Process.Cmd)
	require.Len(t, reg.requests(), 5) // the index, and two for each image

	_, err = r.Lookup(t.Context(), Request{Image: reg.host + "/team/other:1"})
	require.EqualError(t, err, "registry "+reg.host+": it has no image for linux on amd64 or arm64")
	_, err = r.Lookup(t.Context(), Request{Image: "UPPER/case"})
	require.ErrorContains(t, err, "the image's name can't be read: ")
}

// 64 Pods with one new image ask a registry once: two requests.
func TestManyAskOnce(t *testing.T) {
	reg := newRegistry(t)
	reg.push(t, "known:1", image(t, "amd64", []string{"/known"}, nil))
	reg.push(t, "new:1", image(t, "amd64", []string{"/new"}, nil))
	r := newResolver(t, Options{Registries: []Registry{reg.setting()}})
	_, err := r.Lookup(t.Context(), Request{Image: reg.host + "/known:1"})
	require.NoError(t, err)
	reg.requests()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			got, err := r.Lookup(t.Context(), Request{Namespace: fmt.Sprint(i), Image: reg.host + "/new:1"})
			require.NoError(t, err)
			require.Equal(t, []string{"/new"}, got.Platforms[0].Process.Entrypoint)
		})
	}
	all.Wait()
	require.Len(t, reg.requests(), 2)
}

// Each credential that matches is tried; what it opened is told in its namespace only.
func TestCredentials(t *testing.T) {
	reg := newRegistry(t)
	reg.push(t, "private/app:1", image(t, "amd64", []string{"/secret"}, nil))
	reg.answer(nil, map[string]string{"right": "pw"})
	secrets := &testSecrets{host: reg.host, by: map[string]string{"a/old": "right:stale", "a/new": "right:pw", "b/old": "wrong:pw"}}
	r := newResolver(t, Options{Registries: []Registry{reg.setting()}, Secrets: secrets})
	ask := func(namespace string, names ...string) error {
		_, err := r.Lookup(t.Context(), Request{Namespace: namespace, PullSecrets: names, Image: reg.host + "/private/app:1"})
		return err
	}
	require.NoError(t, ask("a", "old", "new"))
	read := secrets.read
	require.NoError(t, ask("a", "old", "new"))
	require.Equal(t, read, secrets.read)
	require.EqualError(t, ask("b", "old"), "registry "+reg.host+" answered 401 Unauthorized (asked with the one credential that matches it)")
	require.EqualError(t, ask("b"), "registry "+reg.host+" answered 401 Unauthorized (no imagePullSecrets match it)")
	require.EqualError(t, ask("b", "gone"), "registry "+reg.host+" answered 401 Unauthorized (no imagePullSecrets match it); imagePullSecret \"gone\": there is no such Secret")
	// The namespace doesn't have the other's answer.
	require.Error(t, ask("b", "old", "new"))
}

func TestMirrorsComeFirst(t *testing.T) {
	mirror, reg := newRegistry(t), newRegistry(t)
	mirror.push(t, "app:1", image(t, "amd64", []string{"/mirrored"}, nil))
	reg.push(t, "app:1", image(t, "amd64", []string{"/app"}, nil))
	reg.push(t, "only:1", image(t, "amd64", []string{"/only"}, nil))
	// The certificates of both are the same test CA.
	r := newResolver(t, Options{Registries: []Registry{{Host: reg.host, Mirrors: []string{mirror.URL}, CAFile: reg.caFile}}})
	got, err := r.Lookup(t.Context(), Request{Image: reg.host + "/app:1"})
	require.NoError(t, err)
	require.Equal(t, []string{"/mirrored"}, got.Platforms[0].Process.Entrypoint)
	require.Empty(t, reg.requests())
	got, err = r.Lookup(t.Context(), Request{Image: reg.host + "/only:1"})
	require.NoError(t, err)
	require.Equal(t, []string{"/only"}, got.Platforms[0].Process.Entrypoint)
}

// Without a setting nothing goes by plain HTTP, to whatever address.
func TestNoPlainHTTPUnasked(t *testing.T) {
	reg := newRegistry(t)
	plain := reg.Config.Handler
	server := newPlain(t, plain)
	r := newResolver(t, Options{})
	_, err := r.Lookup(t.Context(), Request{Image: server + "/app:1"})
	require.ErrorContains(t, err, "registry "+server+" can't be asked: ")
	require.Empty(t, reg.requests())

	reg.push(t, "app:1", image(t, "amd64", []string{"/app"}, nil))
	r = newResolver(t, Options{Registries: []Registry{{Host: server, PlainHTTP: true}}})
	_, err = r.Lookup(t.Context(), Request{Image: server + "/app:1"})
	require.NoError(t, err)
}

func TestRegistriesThatFail(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	manifest := func(write func(http.ResponseWriter)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/manifests/") {
				w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
				write(w)
			}
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string // behind the registry
	}{
		"404":     {manifest(func(w http.ResponseWriter) { w.WriteHeader(404) }), " answered 404 Not Found (no imagePullSecrets match it)"},
		"429":     {status(429), " answered 429 Too Many Requests"},
		"500":     {status(500), " answered 500 Internal Server Error"},
		"garbage": {manifest(func(w http.ResponseWriter) { fmt.Fprint(w, "<html>not found</html>") }), ": "},
		"huge":    {manifest(func(w http.ResponseWriter) { huge(w) }), " answered with more than 2 MiB"},
		"long":    {manifest(func(w http.ResponseWriter) { w.Header().Set("Content-Length", "500000000"); w.WriteHeader(200) }), " answered with more than 2 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := newRegistry(t)
			reg.answer(tc.answer, nil)
			r := newResolver(t, Options{Registries: []Registry{reg.setting()}})
			_, err := r.Lookup(t.Context(), Request{Image: reg.host + "/app:1"})
			require.ErrorContains(t, err, "registry "+reg.host+tc.want)
			reg.requests()
			// It is not asked again at once.
			_, again := r.Lookup(t.Context(), Request{Image: reg.host + "/app:1"})
			require.Equal(t, err, again)
			require.Empty(t, reg.requests())
		})
	}
}

func huge(w http.ResponseWriter) {
	piece := make([]byte, 64<<10)
	for range 8000 {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// Who asks waits no longer than they want; others go on, and other registries are not in the way.
func TestSlowRegistry(t *testing.T) {
	slow, fast := newRegistry(t), newRegistry(t)
	fast.push(t, "app:1", image(t, "amd64", []string{"/app"}, nil))
	release := make(chan struct{})
	slow.answer(func(http.ResponseWriter, *http.Request) { <-release }, nil)
	t.Cleanup(func() { close(release) })
	r := newResolver(t, Options{Registries: []Registry{slow.setting(), fast.setting()}})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			_, err := r.Lookup(ctx, Request{Image: fmt.Sprintf("%s/app:%d", slow.host, i)})
			require.ErrorContains(t, err, "registry "+slow.host+" did not answer within ")
		})
	}
	all.Wait()
	_, err := r.Lookup(t.Context(), Request{Image: fast.host + "/app:1"})
	require.NoError(t, err)
}

func BenchmarkLookupCached(b *testing.B) {
	reg := newRegistry(b)
	reg.push(b, "app:1", image(b, "amd64", []string{"/app"}, nil))
	r := newResolver(b, Options{Registries: []Registry{reg.setting()}, Secrets: &testSecrets{host: reg.host, by: map[string]string{"a/s": "x:y"}}})
	req := Request{Namespace: "a", PullSecrets: []string{"s"}, Image: reg.host + "/app:1"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Lookup(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
