package krew

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files")

func TestManifest(t *testing.T) {
	var archives []Packed
	for _, text := range []string{"linux-amd64", "darwin-arm64", "windows-amd64"} {
		p, err := ParsePlatform(text)
		require.NoError(t, err)
		archive, err := Pack(p, []byte("binary of "+text), []byte("licence"))
		require.NoError(t, err)
		again, err := Pack(p, []byte("binary of "+text), []byte("licence"))
		require.NoError(t, err)
		require.Equal(t, archive, again)
		archives = append(archives, Packed{p, archive})
	}
	text, err := Manifest("v1.2.3", "https://example.com/releases/v1.2.3/", archives)
	require.NoError(t, err)
	golden := filepath.Join("testdata", "plugin.yaml")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, text, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(text))

	// What krew refuses (sigs.k8s.io/krew internal/index/validation/validate.go): unknown fields are passed over, these not.
	var m manifest
	require.NoError(t, yaml.UnmarshalStrict(text, &m))
	require.LessOrEqual(t, len(m.Spec.ShortDescription), 50)
	for _, p := range m.Spec.Platforms {
		require.Len(t, p.SHA256, 64)
	}
}

func TestPack(t *testing.T) {
	archive, err := Pack(Platform{"windows", "amd64"}, []byte("binary"), []byte("licence"))
	require.NoError(t, err)
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	require.NoError(t, err)
	r := tar.NewReader(zip)
	for _, want := range [][2]string{{"LICENSE", "licence"}, {"kubectl-restartrules.exe", "binary"}} {
		h, err := r.Next()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, want, [2]string{h.Name, string(text)})
	}
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
}

func TestErrors(t *testing.T) {
	_, err := ParsePlatform("linux")
	require.EqualError(t, err, `platform "linux": expected OS-ARCH`)
	for version, want := range map[string]string{"1.2.3": `version "1.2.3": krew takes v and a semantic version, like v1.2.3`, "v1": `version "v1": krew takes v and a semantic version, like v1.2.3`} {
		_, err := Manifest(version, "https://example.com", nil)
		require.EqualError(t, err, want)
	}
	_, err = Manifest("v1.2.3", "", nil)
	require.EqualError(t, err, `url "": expected where the archives are, https://…`)
}
