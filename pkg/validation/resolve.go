package validation

import (
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/rules"
)

// Resolved is what holds for one container, wherever it is written.
type Resolved struct {
	manifest.Rules
	// Limits are those of the rules: as many as there are rules, or nil if no rule has one.
	Limits []rules.Limit
	// MaxRestarts is what the container says itself; nil: nothing. See DefaultMaxRestarts.
	MaxRestarts *int32
	// Backoff is nil for the default.
	Backoff *manifest.Backoff
}

// Resolve merges the native fields, those that were lifted and the document of the rules annotation
// (nil if there is none) of a Pod that Pod has found valid. The results are in the order of
// spec.initContainers and spec.containers.
func Resolve(pod *manifest.Pod, doc *manifest.Document) (initContainers, containers []Resolved) {
	whole, _ := pod.WithLifted() // Pod reports what is wrong with it
	if doc == nil {
		doc = &noDocument
	}
	return resolveAll(whole.Spec.InitContainers, doc.InitContainer), resolveAll(whole.Spec.Containers, doc.Container)
}

// DefaultMaxRestarts is how often a container that restarts in place does so if it doesn't say
// itself, or nil if there is no limit.
func DefaultMaxRestarts(pod *manifest.Pod) *int32 {
	return maxRestarts(pod.Metadata.Annotations[api.MaxRestartsAnnotation])
}

func resolveAll(containers []manifest.Container, entry func(name string) *manifest.DocumentContainer) []Resolved {
	list := make([]Resolved, len(containers))
	for i := range containers {
		list[i] = resolve(containers[i].Rules, entry(containers[i].Name))
	}
	return list
}

func resolve(native manifest.Rules, entry *manifest.DocumentContainer) Resolved {
	r := Resolved{Rules: native}
	if entry == nil {
		return r
	}
	if !entry.Rules.IsZero() {
		r.Rules, r.Limits = entry.Rules, entry.Limits
	}
	r.MaxRestarts = entry.MaxRestarts
	if entry.Backoff != nil && *entry.Backoff != manifest.DefaultBackoff {
		r.Backoff = entry.Backoff
	}
	return r
}
