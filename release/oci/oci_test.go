package oci_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/image"
	"restartrules.dev/release/oci"
)

func index(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o755))
	i, err := oci.Index([]string{"amd64", "arm64"}, func(string) (image.Image, error) {
		return image.Image{User: "1:1", Entrypoint: []string{"/program"}, Files: []image.File{image.Regular("/program", file)}}, nil
	}, map[string]string{"b": "1", "a": "2"})
	require.NoError(t, err)
	digest, err := i.Digest()
	require.NoError(t, err)
	return digest.String()
}

// TestDigest: it depends on what is in the image, and on nothing else.
func TestDigest(t *testing.T) {
	require.Equal(t, index(t, "x"), index(t, "x"))
	require.NotEqual(t, index(t, "x"), index(t, "y"))
}

func TestPushErrors(t *testing.T) {
	i, err := oci.Index(nil, nil, nil)
	require.NoError(t, err)
	for _, reference := range []string{"", "example.com/UPPER:v1", "example.com/no-tag"} {
		_, err = oci.Push(t.Context(), reference, i)
		require.Error(t, err, reference)
	}
	server := httptest.NewServer(registry.New())
	server.Close()
	reference := strings.TrimPrefix(server.URL, "http://") + "/team/x:v1"
	_, err = oci.Push(t.Context(), reference, i)
	require.ErrorContains(t, err, "push "+reference)
}
