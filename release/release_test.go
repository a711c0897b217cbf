package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/images/product"
	"restartrules.dev/release/render"
)

var cold = flag.Bool("cold", false, "compile everything anew for the second build: minutes")

var architectures = []string{"amd64", "arm64"}

// build makes the binaries, with the project's own target, in a copy of the repository at source, and the licences.
func build(t *testing.T, source, goCache string) release {
	t.Helper()
	root := t.TempDir()
	entries, err := os.ReadDir(source)
	require.NoError(t, err)
	for _, e := range entries {
		from, to := filepath.Join(source, e.Name()), filepath.Join(root, e.Name())
		switch {
		case slices.Contains([]string{"bin", ".git", ".cache", "release", "differential"}, e.Name()):
		case e.IsDir():
			require.NoError(t, os.CopyFS(to, os.DirFS(from)))
		default:
			content, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, content, 0o644))
		}
	}
	make := exec.CommandContext(t.Context(), "make", "release-binaries")
	make.Dir = root
	make.Env = append(os.Environ(), "MAKEFLAGS=", "ARCHITECTURES="+strings.Join(architectures, " "))
	if goCache != "" {
		make.Env = append(make.Env, "GOCACHE="+goCache)
	}
	out, err := make.CombinedOutput()
	require.NoError(t, err, "%s", out)
	r := release{root: root, tag: "v1.2.3", architectures: architectures}
	require.NoError(t, r.licenses())
	return r
}

// TestRelease makes a release twice, in two directories, and pushes it to a registry of its own.
func TestRelease(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	r := build(t, "..", "")
	r.registry = host + "/team/restartrules"
	var pushed bytes.Buffer
	require.NoError(t, r.push(t.Context(), &pushed))
	references := strings.Fields(pushed.String())
	require.Len(t, references, 2)

	t.Run("same inputs, same digests", func(t *testing.T) {
		cache := ""
		if *cold {
			cache = t.TempDir()
		}
		again := build(t, r.root, cache) // not "..": somebody may be editing there
		again.registry = r.registry
		var pushed bytes.Buffer
		require.NoError(t, again.push(t.Context(), &pushed))
		require.Equal(t, references, strings.Fields(pushed.String()))
	})
	t.Run("images", func(t *testing.T) {
		for i, image := range names() {
			require.True(t, strings.HasPrefix(references[i], r.registry+"/"+image+"@sha256:"), references[i])
			digest, err := name.NewDigest(references[i])
			require.NoError(t, err)
			index, err := remote.Index(digest)
			require.NoError(t, err)
			testIndex(t, index, product.Binaries()[image])

			tag, err := name.NewTag(r.registry + "/" + image + ":v1.2.3")
			require.NoError(t, err)
			head, err := remote.Head(tag)
			require.NoError(t, err)
			require.Equal(t, digest.DigestStr(), head.Digest.String())
		}
	})
	t.Run("layout", func(t *testing.T) {
		require.NoError(t, r.writeImages())
		for i, image := range names() {
			index, err := layout.ImageIndexFromPath(r.out("images", image))
			require.NoError(t, err)
			manifest, err := index.IndexManifest()
			require.NoError(t, err)
			require.Len(t, manifest.Manifests, 1)
			require.True(t, strings.HasSuffix(references[i], "@"+manifest.Manifests[0].Digest.String()))
		}
	})
	t.Run("manifests", func(t *testing.T) {
		require.NoError(t, r.manifests())
		rendered, err := filepath.Glob(r.out("*.yaml"))
		require.NoError(t, err)
		require.NotEmpty(t, rendered)
		for _, file := range rendered {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, reference := range references {
				require.Equal(t, 1, strings.Count(string(text), reference), "%s: %s", file, reference)
			}
			require.NotContains(t, string(text), product.Repository)
		}
		left, err := filepath.Glob(r.out("kustomization-*"))
		require.NoError(t, err)
		require.Empty(t, left)
	})
	t.Run("chart", func(t *testing.T) {
		require.NoError(t, r.manifests())
		objects, err := render.Helm(t.Context(), r.out("restartrules-1.2.3.tgz"), render.Release{Namespace: "default"})
		require.NoError(t, err)
		text, err := json.Marshal(objects)
		require.NoError(t, err)
		for _, reference := range references {
			require.Equal(t, 1, strings.Count(string(text), reference))
		}
		require.NotContains(t, string(text), product.Repository)
	})
	t.Run("bill of materials", func(t *testing.T) { testBills(t, r) })
	t.Run("licences", func(t *testing.T) {
		text, err := os.ReadFile(r.licensesFile("arm64", product.Webhook))
		require.NoError(t, err)
		for _, part := range []string{"k8s.io/apimachinery v", "std go1.", "Copyright 2009 The Go Authors"} {
			require.Contains(t, string(text), part)
		}
	})
}

// testIndex: the image exists for each architecture, runs as nobody, and has the binaries, the licences and nothing
// else.
func testIndex(t *testing.T, index v1.ImageIndex, binaries []string) {
	t.Helper()
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, len(architectures))
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	for i, descriptor := range manifest.Manifests {
		require.Equal(t, &v1.Platform{OS: "linux", Architecture: architectures[i]}, descriptor.Platform)
		image, err := index.Image(descriptor.Digest)
		require.NoError(t, err)
		config, err := image.ConfigFile()
		require.NoError(t, err)
		require.Equal(t, architectures[i], config.Architecture)
		require.Equal(t, "65532:65532", config.Config.User)
		require.Equal(t, []string{"/" + binaries[0]}, config.Config.Entrypoint)
		layers, err := image.Layers()
		require.NoError(t, err)
		require.Len(t, layers, 1)
		content, err := layers[0].Uncompressed()
		require.NoError(t, err)
		var files []string
		for r := tar.NewReader(content); ; {
			header, err := r.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			require.Zero(t, header.Uid+header.Gid)
			files = append(files, header.Name)
			if header.Name == "licenses.txt" {
				continue
			}
			data, err := io.ReadAll(r)
			require.NoError(t, err)
			program, err := elf.NewFile(bytes.NewReader(data))
			require.NoError(t, err)
			require.Equal(t, machines[architectures[i]], program.Machine)
		}
		require.NoError(t, content.Close())
		require.Equal(t, append(slices.Clone(binaries), "licenses.txt"), files)
	}
}

func testBills(t *testing.T, r release) {
	t.Helper()
	require.NoError(t, r.sbom())
	files, err := filepath.Glob(r.out("sbom", "*.cdx.json"))
	require.NoError(t, err)
	require.Len(t, files, len(architectures)*len(names()))
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var bill cyclonedx.BOM
		require.NoError(t, cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&bill))
		require.Equal(t, cyclonedx.SpecVersion1_6, bill.SpecVersion)
		known := map[string]bool{bill.Metadata.Component.BOMRef: true}
		for _, c := range *bill.Components {
			require.False(t, known[c.BOMRef], "%s is there twice", c.BOMRef)
			known[c.BOMRef] = true
			require.NotEmpty(t, *c.Licenses, c.Name)
			require.NotEmpty(t, c.Version, c.Name)
		}
		for _, d := range *bill.Dependencies {
			require.True(t, known[d.Ref], d.Ref)
			for _, on := range *d.Dependencies {
				require.True(t, known[on], on)
			}
		}
		require.Contains(t, string(text), `"pkg:golang/std@go`)
	}
}
