package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"restartrules.dev/e2e/cluster/image"
)

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// A Reference is how a Pod names an image of a registry.
type Reference struct {
	// Tag is HOST:PORT/REPOSITORY:TAG.
	Tag string
	// Digest is HOST:PORT/REPOSITORY@sha256:….
	Digest string
}

// descriptor is what one part of an image says of another.
type descriptor struct {
	MediaType string    `json:"mediaType"`
	Digest    string    `json:"digest"`
	Size      int       `json:"size"`
	Platform  *platform `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

func describe(mediaType string, content []byte) descriptor {
	return descriptor{MediaType: mediaType, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(content)), Size: len(content)}
}

// Push puts the image into the registry. Its Name is REPOSITORY:TAG.
func (r *Registry) Push(ctx context.Context, i image.Image) (Reference, error) {
	repository, tag, err := split(i.Name)
	if err != nil {
		return Reference{}, err
	}
	manifest, err := r.pushManifest(ctx, repository, tag, i)
	return r.reference(repository, tag, manifest.Digest), err
}

// PushIndex puts images of several architectures into the registry, as one of that name, REPOSITORY:TAG. Their own names
// don't matter.
func (r *Registry) PushIndex(ctx context.Context, name string, images ...image.Image) (Reference, error) {
	repository, tag, err := split(name)
	if err != nil {
		return Reference{}, err
	}
	var manifests []descriptor
	for _, i := range images {
		manifest, err := r.pushManifest(ctx, repository, "", i)
		if err != nil {
			return Reference{}, err
		}
		manifest.Platform = &platform{i.Architecture, "linux"}
		manifests = append(manifests, manifest)
	}
	index, err := r.put(ctx, repository, tag, indexType, map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": manifests})
	return r.reference(repository, tag, index.Digest), err
}

func split(name string) (repository, tag string, err error) {
	repository, tag, ok := strings.Cut(name, ":")
	if !ok {
		return "", "", fmt.Errorf("image %q: expected REPOSITORY:TAG", name)
	}
	return repository, tag, nil
}

func (r *Registry) reference(repository, tag, digest string) Reference {
	return Reference{Tag: r.Address + "/" + repository + ":" + tag, Digest: r.Address + "/" + repository + "@" + digest}
}

// pushManifest pushes an image, without a tag if that is empty.
func (r *Registry) pushManifest(ctx context.Context, repository, tag string, i image.Image) (descriptor, error) {
	layer, err := i.Layer()
	if err != nil {
		return descriptor{}, fmt.Errorf("image %s: %w", i.Name, err)
	}
	layers := describe(layerType, layer)
	config, err := i.Config(layers.Digest)
	if err != nil {
		return descriptor{}, fmt.Errorf("image %s: %w", i.Name, err)
	}
	configs := describe(configType, config)
	for _, blob := range []struct {
		descriptor
		content []byte
	}{{layers, layer}, {configs, config}} {
		if err := r.upload(ctx, repository, blob.Digest, blob.content); err != nil {
			return descriptor{}, err
		}
	}
	return r.put(ctx, repository, tag, manifestType, map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "config": configs, "layers": []descriptor{layers},
	})
}

// put pushes a manifest or an index.
func (r *Registry) put(ctx context.Context, repository, tag, mediaType string, manifest any) (descriptor, error) {
	text, err := json.Marshal(manifest)
	if err != nil {
		return descriptor{}, err
	}
	d := describe(mediaType, text)
	name := tag
	if tag == "" {
		name = d.Digest
	}
	_, err = r.do(ctx, http.MethodPut, "/v2/"+repository+"/manifests/"+name, mediaType, text)
	return d, err
}

func (r *Registry) upload(ctx context.Context, repository, digest string, content []byte) error {
	header, err := r.do(ctx, http.MethodPost, "/v2/"+repository+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	to, err := url.Parse(header.Get("Location"))
	if err != nil {
		return fmt.Errorf("registry %s: where to upload to: %w", r.Address, err)
	}
	query := to.Query()
	query.Set("digest", digest)
	_, err = r.do(ctx, http.MethodPut, to.Path+"?"+query.Encode(), "application/octet-stream", content)
	return err
}

// do asks the registry as one of its users, and gives the header of the answer. What is no success is an error.
func (r *Registry) do(ctx context.Context, method, path, mediaType string, content []byte) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, "https://"+r.Address+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(Alice.Name, Alice.Password)
	req.Header.Set("Accept", manifestType+", "+indexType)
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("registry %s: %s %s: %w", r.Address, method, path, err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("registry %s: %s %s: %s %s", r.Address, method, path, resp.Status, text)
	}
	return resp.Header, nil
}

// DockerConfig is a .dockerconfigjson with this user's credential for the registry.
func (r *Registry) DockerConfig(name, password string) ([]byte, error) {
	return json.Marshal(map[string]any{"auths": map[string]any{r.Address: map[string]string{"username": name, "password": password}}})
}
