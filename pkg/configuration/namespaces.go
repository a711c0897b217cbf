package configuration

import (
	"maps"
	"path"
	"slices"
	"strings"

	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/validation"
)

// Options are what the Configuration says for Pods and Pod templates of a namespace, by its name. What inject.Options
// has besides is left empty. A Configuration that is changed afterwards changes nothing in what is given.
func (c *Configuration) Options() func(namespace string) inject.Options {
	usual := c.Settings.options()
	special := make([]inject.Options, len(c.Namespaces))
	entries := slices.Clone(c.Namespaces)
	for i := range entries {
		special[i] = entries[i].Settings.over(c.Settings).options()
	}
	return func(namespace string) inject.Options {
		for i := range entries {
			if entries[i].include(namespace) {
				return special[i]
			}
		}
		return usual
	}
}

// include reports whether the entry names the namespace.
func (n *Namespaces) include(namespace string) bool {
	return slices.ContainsFunc(n.Names, func(pattern string) bool {
		matches, _ := path.Match(pattern, namespace) // Validate lets only * through
		return matches
	})
}

// over are the settings with those of base where they say nothing.
func (s Settings) over(base Settings) Settings {
	w, p, r := &s.Watcher, &s.Pods, &s.Rules
	if w.Image == "" {
		w.Image = base.Watcher.Image
		inherit(&w.Mirror, base.Watcher.Mirror)
		inherit(&w.Digest, base.Watcher.Digest)
	}
	inherit(&w.ImagePullPolicy, base.Watcher.ImagePullPolicy)
	if w.ImagePullSecrets == nil {
		w.ImagePullSecrets = base.Watcher.ImagePullSecrets
	}
	if w.Resources.Requests == nil && w.Resources.Limits == nil {
		w.Resources = base.Watcher.Resources
	}
	inherit(&w.ReadinessPort, base.Watcher.ReadinessPort)
	if p.Labels == nil {
		p.Labels = base.Pods.Labels
	}
	if p.Annotations == nil {
		p.Annotations = base.Pods.Annotations
	}
	inherit(&p.ShareProcessNamespace, base.Pods.ShareProcessNamespace)
	inherit(&p.PinImageDigests, base.Pods.PinImageDigests)
	inherit(&r.MinBackoff, base.Rules.MinBackoff)
	if r.AllowedActions == nil {
		r.AllowedActions = base.Rules.AllowedActions
	}
	if r.AllowedStrategies == nil {
		r.AllowedStrategies = base.Rules.AllowedStrategies
	}
	return s
}

func inherit[T comparable](field *T, from T) {
	var nothing T
	if *field == nothing {
		*field = from
	}
}

// options are those of settings with all defaults.
func (s Settings) options() inject.Options {
	o := inject.Options{
		Image:                 s.Watcher.image(),
		ImagePullPolicy:       s.Watcher.ImagePullPolicy,
		ReadinessPort:         *s.Watcher.ReadinessPort,
		ShareProcessNamespace: *s.Pods.ShareProcessNamespace,
		PinDigests:            *s.Pods.PinImageDigests,
		Labels:                maps.Clone(s.Pods.Labels),
		Annotations:           maps.Clone(s.Pods.Annotations),
		MinBackoff:            s.Rules.MinBackoff.Duration,
		Allowed:               validation.Allowed{Actions: slices.Clone(s.Rules.AllowedActions), Strategies: slices.Clone(s.Rules.AllowedStrategies)},
	}
	for _, secret := range s.Watcher.ImagePullSecrets {
		o.PullSecrets = append(o.PullSecrets, secret.Name)
	}
	o.Resources.Requests, o.Resources.Limits = s.Watcher.Resources.Requests.list(), s.Watcher.Resources.Limits.list()
	return o
}

// image is the whole reference: Image from Mirror, with Digest.
func (w *Watcher) image() string {
	image := w.Image
	if w.Digest != "" && image != "" {
		image, _, _ = strings.Cut(image, "@")
		if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
			image = image[:colon]
		}
		image += "@" + w.Digest
	}
	if w.Mirror != "" && image != "" {
		image = w.Mirror + "/" + image[strings.LastIndex(image, "/")+1:]
	}
	return image
}
