package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"restartrules.dev/pkg/entrypoint"
	"restartrules.dev/pkg/entrypoint/keyring"
	"restartrules.dev/pkg/inject"
)

// lookupOptions are the flags about entry points of images.
type lookupOptions struct {
	enabled      bool
	registries   string
	pullSecrets  bool
	dockerConfig string
	timeout      time.Duration
	pinDigests   bool
}

func (o *lookupOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.enabled, "entrypoint-lookup", true,
		"Ask registries what images run, where a container that needs a shim has no command.")
	flags.StringVar(&o.registries, "registries", "",
		"YAML file with mirrors, plain HTTP and private certificate authorities of registries.")
	flags.BoolVar(&o.pullSecrets, "pull-secrets", false,
		"Read the imagePullSecrets of Pods to ask registries. Needs the ClusterRole restartrules-pull-secrets, bound in the Pods' namespaces.")
	flags.StringVar(&o.dockerConfig, "docker-config", "",
		"Docker config.json with credentials that all namespaces may use. Read again for each lookup.")
	flags.DurationVar(&o.timeout, "lookup-timeout", entrypoint.DefaultTimeout,
		"How long a lookup may take. A request waits for it no longer than three fifths of its own timeout.")
	flags.BoolVar(&o.pinDigests, "pin-digests", false,
		"Pin the images that were looked up to the digests that were found, in Pods that don't say.")
}

// resolver is nil if lookups are off.
func (o *lookupOptions) resolver(ctx context.Context, registry prometheus.Registerer) (*entrypoint.Resolver, error) {
	if !o.enabled {
		return nil, nil
	}
	if o.timeout <= 0 {
		return nil, fmt.Errorf("--lookup-timeout is %v, must be positive", o.timeout)
	}
	options := entrypoint.Options{Timeout: o.timeout, Registerer: registry}
	if o.registries != "" {
		text, err := os.ReadFile(o.registries)
		if err != nil {
			return nil, fmt.Errorf("--registries: %w", err)
		}
		if options.Registries, err = entrypoint.ParseRegistries(text); err != nil {
			return nil, fmt.Errorf("--registries: %s: %w", o.registries, err)
		}
	}
	if o.dockerConfig != "" {
		options.Common = o.common
		if _, err := o.common(); err != nil {
			return nil, fmt.Errorf("--docker-config: %w", err)
		}
	}
	if o.pullSecrets {
		client, err := newClient()
		if err != nil {
			return nil, fmt.Errorf("--pull-secrets: %w", err)
		}
		options.Secrets = entrypoint.ClusterSecrets{Client: client}
	}
	return entrypoint.New(ctx, options)
}

func (o *lookupOptions) common() (*keyring.Keyring, error) {
	text, err := os.ReadFile(o.dockerConfig)
	if err != nil {
		return nil, err
	}
	k := new(keyring.Keyring)
	if err := k.AddConfigJSON(text); err != nil {
		return nil, fmt.Errorf("%s: %w", o.dockerConfig, err)
	}
	return k, nil
}

// images are the resolver's, for admission.
type images struct{ *entrypoint.Resolver }

func (i images) Known(namespace string, pullSecrets []string, image string) (found inject.Found, known bool) {
	found.Image, known, found.Err = i.Resolver.Known(entrypoint.Request{Namespace: namespace, PullSecrets: pullSecrets, Image: image})
	return found, known
}

// LookUp asks for all images of a Pod at once.
func (i images) LookUp(ctx context.Context, namespace string, pullSecrets, images []string) map[string]inject.Found {
	found := make([]inject.Found, len(images))
	var all sync.WaitGroup
	for n, image := range images {
		all.Go(func() {
			found[n].Image, found[n].Err = i.Lookup(ctx, entrypoint.Request{Namespace: namespace, PullSecrets: pullSecrets, Image: image})
		})
	}
	all.Wait()
	byImage := make(map[string]inject.Found, len(images))
	for n, image := range images {
		byImage[image] = found[n]
	}
	return byImage
}
