package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/configuration"
)

// configuration is the file's, or the default, with the flags that were given in place of its fields. The flags' variables
// are then what it says.
func (o *serveOptions) configuration(flags *pflag.FlagSet) (*configuration.Configuration, error) {
	c := configuration.Default()
	if o.config != "" {
		var err error
		if c, err = configuration.Load(o.config); err != nil {
			return nil, err
		}
	}
	if _, err := compile.ParseFeatures(o.mode.nativeFeatures); err != nil {
		return nil, fmt.Errorf("--native-features: %w", err)
	}
	policy := corev1.PullPolicy(o.watcherImagePullPolicy)
	settle(flags, "watcher-image", &o.watcherImage, &c.Watcher.Image)
	settle(flags, "watcher-image-pull-policy", &policy, &c.Watcher.ImagePullPolicy)
	settle(flags, "readiness-port", &o.readinessPort, c.Watcher.ReadinessPort)
	settle(flags, "share-process-namespace", &o.shareProcessNamespace, c.Pods.ShareProcessNamespace)
	settle(flags, "pin-digests", &o.lookups.pinDigests, c.Pods.PinImageDigests)
	settle(flags, "mode", &o.mode.mode, &c.Mode)
	settle(flags, "native-features", &o.mode.nativeFeatures, &c.NativeFeatures)
	settle(flags, "pod-templates", &o.podTemplates, &c.PodTemplates)
	if c.Watcher.Image == "" {
		return nil, errors.New("--watcher-image is required, or watcher.image in the file of --config: the image with the watcher and the shim that is injected into Pods")
	}
	if errs := c.Validate(); len(errs) > 0 {
		return nil, fmt.Errorf("the Configuration and the flags that stand in place of its fields: %w", errs.ToAggregate())
	}
	return c, nil
}

// settle makes the flag and the field of the Configuration the same: the flag, if it was given.
func settle[T any](flags *pflag.FlagSet, name string, flag, field *T) {
	if flags.Changed(name) {
		*field = *flag
	} else {
		*flag = *field
	}
}
