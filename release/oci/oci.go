// Package oci assembles the images of the product for several architectures and pushes them. The same files give
// the same digests: nothing in an image tells when, where or by whom it was made.
package oci

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"restartrules.dev/e2e/cluster/image"
)

// Index is the index of what is one image for each architecture, in the order of architectures. files gives the
// image of one of them. labels are in the configuration of each.
func Index(architectures []string, files func(architecture string) (image.Image, error), labels map[string]string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range architectures {
		content, err := files(architecture)
		if err != nil {
			return nil, err
		}
		one, err := single(content, architecture, labels)
		if err != nil {
			return nil, fmt.Errorf("image %s for %s: %w", content.Name, architecture, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        one,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	return index, nil
}

// single is the image for one architecture, on no base.
func single(content image.Image, architecture string, labels map[string]string) (v1.Image, error) {
	data, err := content.Layer()
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	withLayer, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, err
	}
	config, err := withLayer.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	config.History = nil
	config.Config = v1.Config{
		User: content.User, Entrypoint: content.Entrypoint, Cmd: content.Cmd, Env: content.Env, Labels: labels,
	}
	return mutate.ConfigFile(withLayer, config)
}

// Push pushes the index to reference, REGISTRY/REPOSITORY:TAG, with the credentials of the user's Docker
// configuration. It returns its name by digest.
func Push(ctx context.Context, reference string, index v1.ImageIndex) (name.Digest, error) {
	tag, err := name.NewTag(reference, name.StrictValidation)
	if err != nil {
		return name.Digest{}, err
	}
	if err := remote.WriteIndex(tag, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return name.Digest{}, fmt.Errorf("push %s: %w", reference, err)
	}
	return Digest(reference, index)
}

// Digest is the name by digest that the index has or will have in the repository of reference.
func Digest(reference string, index v1.ImageIndex) (name.Digest, error) {
	tag, err := name.NewTag(reference, name.StrictValidation)
	if err != nil {
		return name.Digest{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return name.Digest{}, err
	}
	return tag.Context().Digest(digest.String()), nil
}

// WriteLayout writes the index as an OCI image layout to the directory, which is emptied first.
func WriteLayout(directory string, index v1.ImageIndex, tag string) error {
	if err := os.RemoveAll(directory); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(directory), 0o755); err != nil {
		return err
	}
	path, err := layout.Write(directory, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag}))
}
