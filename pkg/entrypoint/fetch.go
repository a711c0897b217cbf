package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"restartrules.dev/pkg/entrypoint/keyring"
	"restartrules.dev/pkg/imageconfig"
)

// architectures are those that we have a shim for.
var architectures = []string{"amd64", "arm64"}

// challengeFor is how long it is remembered how a registry wants to be asked.
const challengeFor = 10 * time.Minute

// maxCommand is the longest ENTRYPOINT and CMD that is taken, in bytes.
const maxCommand = 16 << 10

// challenges remember how each endpoint wants to be asked, so that it isn't asked for that for each image.
type challenges struct {
	mutex sync.Mutex
	known map[string]challenge
}

type challenge struct {
	*transport.Challenge
	until time.Time
}

func (c *challenges) of(ctx context.Context, e endpoint, registry name.Registry) (*transport.Challenge, error) {
	c.mutex.Lock()
	known, ok := c.known[e.host]
	c.mutex.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.Challenge, nil
	}
	asked, err := transport.Ping(ctx, registry, e.transport)
	if err != nil {
		return nil, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.known == nil || len(c.known) >= maxEntries {
		c.known = map[string]challenge{}
	}
	c.known[e.host] = challenge{asked, time.Now().Add(challengeFor)}
	return asked, nil
}

// source is an image's repository at an endpoint, asked with a credential.
type source struct {
	name.Repository
	options []remote.Option
}

// open makes ready to ask for images of the repository. A nil credential is none.
func (r *Resolver) open(ctx context.Context, e endpoint, repository string, c *keyring.Credential) (*source, error) {
	repo, err := name.NewRepository(e.host + "/" + repository)
	if err != nil {
		return nil, err
	}
	challenge, err := r.challenges.of(ctx, e, repo.Registry)
	if err != nil {
		return nil, err
	}
	auth := authn.Anonymous
	if c != nil {
		auth = authn.FromConfig(authn.AuthConfig{Username: c.Username, Password: c.Password})
	}
	var token *transport.Token
	if strings.EqualFold(challenge.Scheme, "bearer") {
		if token, err = transport.Exchange(ctx, repo.Registry, auth, e.transport, []string{repo.Scope(transport.PullScope)}, challenge); err != nil {
			return nil, err
		}
	}
	authenticated, err := transport.FromToken(repo.Registry, auth, e.transport, challenge, token)
	if err != nil {
		return nil, err
	}
	return &source{repo, []remote.Option{remote.WithTransport(authenticated), remote.WithContext(ctx)}}, nil
}

// image asks for what the reference means. known may know an image by its digest.
func (s *source) image(reference string, known func(digest string) *imageconfig.Image) (*imageconfig.Image, error) {
	got, err := remote.Get(s.reference(reference), s.options...)
	if err != nil {
		return nil, err
	}
	if image := known(got.Digest.String()); image != nil {
		return image, nil
	}
	image := &imageconfig.Image{Digest: got.Digest.String()}
	switch {
	case got.MediaType.IsIndex():
		image.Platforms, err = s.index(got.Manifest)
	case got.MediaType.IsImage():
		image.Platforms, err = platforms(got)
	case got.MediaType == types.DockerManifestSchema1, got.MediaType == types.DockerManifestSchema1Signed:
		err = errors.New("this is an image of Docker's schema 1, which is not supported: push it again with a recent tool")
	default:
		err = fmt.Errorf("this is no image: its media type is %q", got.MediaType)
	}
	if err != nil {
		return nil, err
	}
	return image, nil
}

func (s *source) reference(text string) name.Reference {
	if strings.Contains(text, ":") {
		return s.Digest(text)
	}
	return s.Tag(text)
}

// index asks for the images of an index, all at once.
func (s *source) index(manifest []byte) ([]imageconfig.Platform, error) {
	index, err := v1.ParseIndexManifest(strings.NewReader(string(manifest)))
	if err != nil {
		return nil, fmt.Errorf("its index can't be read: %w", err)
	}
	var digests []string
	for _, architecture := range architectures {
		at := slices.IndexFunc(index.Manifests, func(d v1.Descriptor) bool {
			return d.Platform != nil && d.Platform.Architecture == architecture && d.Platform.OS == "linux" && d.MediaType.IsImage()
		})
		if at >= 0 {
			digests = append(digests, index.Manifests[at].Digest.String())
		}
	}
	if len(digests) == 0 {
		return nil, fmt.Errorf("it has no image for linux on %s", strings.Join(architectures, " or "))
	}
	found := make([]imageconfig.Platform, len(digests))
	var all errgroup.Group
	for i, digest := range digests {
		all.Go(func() error {
			got, err := remote.Get(s.Digest(digest), s.options...)
			if err != nil {
				return err
			}
			if !got.MediaType.IsImage() {
				return fmt.Errorf("manifest %s of its index is no image: its media type is %q", digest, got.MediaType)
			}
			platforms, err := platforms(got)
			if err == nil {
				found[i] = platforms[0]
			}
			return err
		})
	}
	return found, all.Wait()
}

// platforms is the one of an image's manifest.
func platforms(got *remote.Descriptor) ([]imageconfig.Platform, error) {
	image, err := got.Image()
	if err != nil {
		return nil, err
	}
	text, err := image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	architecture, process, err := imageconfig.Parse(text)
	if err != nil {
		return nil, err
	}
	size := 0
	for _, word := range process.Command(false) {
		size += len(word)
	}
	if size > maxCommand {
		return nil, fmt.Errorf("its ENTRYPOINT and CMD have %d bytes, at most %d are taken", size, maxCommand)
	}
	return []imageconfig.Platform{{Architecture: architecture, Process: process}}, nil
}

// refused says that another credential may be let in.
func refused(err error) bool {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.StatusCode {
	// Registries say 404 of what one may not know.
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return true
	}
	return false
}
