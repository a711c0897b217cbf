//go:build integration

package registry

import (
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/image"
)

func TestRegistry(t *testing.T) {
	r, err := Start(t.Context(), Options{Dir: t.TempDir(), Host: netip.MustParseAddr("127.0.0.1"), Out: os.Stderr})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "app")
	require.NoError(t, os.WriteFile(file, []byte("app"), 0o755))
	app := image.Image{Name: "team/app:1", Entrypoint: []string{"/app"}, Files: []image.File{image.Regular("/app", file)}}
	pushed, err := r.Push(t.Context(), app)
	require.NoError(t, err)
	require.Equal(t, r.Address+"/team/app:1", pushed.Tag)
	require.Regexp(t, r.Address+`/team/app@sha256:[0-9a-f]{64}`, pushed.Digest)

	header, err := r.do(t.Context(), http.MethodGet, "/v2/team/app/manifests/1", "", nil)
	require.NoError(t, err)
	require.Equal(t, pushed.Digest, r.Address+"/team/app@"+header.Get("Docker-Content-Digest"))
	_, err = r.do(t.Context(), http.MethodGet, "/v2/team/app/manifests/2", "", nil)
	require.ErrorContains(t, err, "404 Not Found")

	other := app
	app.Architecture, other.Architecture, other.Entrypoint = "amd64", "arm64", []string{"/other"}
	index, err := r.PushIndex(t.Context(), "team/app:2", app, other)
	require.NoError(t, err)
	header, err = r.do(t.Context(), http.MethodGet, "/v2/team/app/manifests/2", "", nil)
	require.NoError(t, err)
	require.Equal(t, indexType, header.Get("Content-Type"))
	require.NotEqual(t, pushed.Digest, index.Digest)

	resp, err := r.client.Get("https://" + r.Address + "/v2/team/app/manifests/1")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "nobody is let in without a password")
	require.NoError(t, r.Stop())
	_, err = r.client.Get("https://" + r.Address + "/v2/")
	require.Error(t, err)
}
