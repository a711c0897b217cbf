package image_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/image"
)

func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600))
	return path
}

func example(source string) image.Image {
	return image.Image{
		Name: "localhost/example:dev", User: "65535:65535", Entrypoint: []string{"/usr/bin/program"}, Cmd: []string{"-v"}, Env: []string{"PATH=/bin"},
		Files: []image.File{
			image.Regular("/usr/bin/program", source),
			image.Symlink("/usr/bin/link", "/usr/bin/program"),
			image.Directory("/tmp", 0o777|fs.ModeSticky),
		},
	}
}

func entries(t *testing.T, archive []byte) (headers []tar.Header, contents map[string][]byte) {
	t.Helper()
	contents = map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if err == io.EOF {
			return headers, contents
		}
		require.NoError(t, err)
		headers = append(headers, *header)
		contents[header.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
}

func TestArchive(t *testing.T) {
	var archive bytes.Buffer
	require.NoError(t, example(program(t)).Write(&archive))
	_, files := entries(t, archive.Bytes())

	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	require.NoError(t, json.Unmarshal(files["manifest.json"], &manifest))
	require.Len(t, manifest, 1)
	require.Equal(t, []string{"localhost/example:dev"}, manifest[0].RepoTags)
	require.Contains(t, string(files[manifest[0].Config]), `"config":{"Cmd":["-v"],"Entrypoint":["/usr/bin/program"],"Env":["PATH=/bin"],"User":"65535:65535"}`)

	headers, contents := entries(t, files[manifest[0].Layers[0]])
	type entry struct {
		name, link string
		kind       byte
		mode       int64
	}
	var got []entry
	for _, h := range headers {
		got = append(got, entry{h.Name, h.Linkname, h.Typeflag, h.Mode})
		require.Equal(t, time.Unix(0, 0), h.ModTime)
	}
	require.Equal(t, []entry{
		{"usr/", "", tar.TypeDir, 0o755},
		{"usr/bin/", "", tar.TypeDir, 0o755},
		{"usr/bin/program", "", tar.TypeReg, 0o755},
		{"usr/bin/link", "/usr/bin/program", tar.TypeSymlink, 0o777},
		{"tmp/", "", tar.TypeDir, 0o1777},
	}, got)
	require.Equal(t, "#!/bin/sh\n", string(contents["usr/bin/program"]))
}

func TestArchiveIsDeterministic(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "1.tar"), filepath.Join(t.TempDir(), "2.tar")
	source := program(t)
	require.NoError(t, example(source).WriteFile(first))
	require.NoError(t, os.Chtimes(source, time.Unix(1, 0), time.Unix(1, 0)))
	require.NoError(t, example(source).WriteFile(second))
	a, err := os.ReadFile(first)
	require.NoError(t, err)
	b, err := os.ReadFile(second)
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b))
}

func TestErrors(t *testing.T) {
	twice := image.Image{Name: "x", Files: []image.File{image.Symlink("/a", "b"), image.Symlink("a", "c")}}
	require.ErrorContains(t, twice.Write(io.Discard), `image x: file "a"`)
	missing := image.Image{Name: "x", Files: []image.File{image.Regular("/a", filepath.Join(t.TempDir(), "none"))}}
	require.ErrorIs(t, missing.Write(io.Discard), fs.ErrNotExist)
}
