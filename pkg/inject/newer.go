package inject

import (
	"errors"
	"fmt"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
)

// byNewerRelease reports whether the Pod was injected by a release whose plan this one can't read: it has
// such a plan, and what every release leaves in a Pod. That is so while the webhook is upgraded, and after
// it was rolled back. A plan without the rest is one that a user wrote.
func byNewerRelease(pod *manifest.Pod) bool {
	text := pod.Metadata.Annotations[api.PlanAnnotation]
	if text == "" {
		return false
	}
	_, err := plan.Decode(text)
	return isNewer(pod, err)
}

// isNewer is byNewerRelease, given what is wrong with the plan.
func isNewer(pod *manifest.Pod, err error) bool {
	var newer *plan.NewerError
	return errors.As(err, &newer) && marked(pod)
}

// marked reports whether the Pod has what is left in every Pod with shims.
func marked(pod *manifest.Pod) bool {
	return pod.Metadata.Labels[api.ModeLabel] == api.ModeEmulated && find(pod.Spec.InitContainers, api.WatcherContainer) != nil
}

// leftAlone answers for a Pod that a newer release has injected, on CREATE.
func leftAlone() Result {
	return Result{Warnings: []string{fmt.Sprintf("a newer release of Restart Rules has prepared this Pod; this webhook, which reads plans up to version %d, leaves it as it is", plan.Version)}}
}

// updateOfNewer answers for a Pod that a newer release has injected, on UPDATE: what is ours stays. What
// the user once wrote is not known, so the API server judges an unchanged manifest that is applied again.
func updateOfNewer(pod, old *manifest.Pod) Result {
	var p patch
	p.set("/metadata/labels", pod.Metadata.Labels, map[string]string{api.ModeLabel: old.Metadata.Labels[api.ModeLabel]})
	p.set("/metadata/annotations", pod.Metadata.Annotations, map[string]string{api.PlanAnnotation: old.Metadata.Annotations[api.PlanAnnotation]})
	return Result{Watched: true, Patch: p.ops, Warnings: []string{fmt.Sprintf("a newer release of Restart Rules has prepared this Pod; this webhook, which reads plans up to version %d, can't tell "+
		"an unchanged manifest from a changed one: upgrade the webhook if this is refused", plan.Version)}}
}
