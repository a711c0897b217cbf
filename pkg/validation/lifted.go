package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// lifted validates the annotation with lifted rules, if there is one, as the native fields that
// they were, and returns the Pod with them.
func lifted(pod *manifest.Pod, root *field.Path, opts Options) (whole *manifest.Pod, errs field.ErrorList) {
	text := pod.Metadata.Annotations[api.LiftedRulesAnnotation]
	if text == "" {
		return pod, nil
	}
	path, native := annotation(root, api.LiftedRulesAnnotation), nativeLanguage(&opts)
	doc, problems := manifest.ParseLifted(text)
	if len(problems) > 0 {
		return pod, unreadable(path, problems)
	}
	for i := range doc.Containers {
		entry := &doc.Containers[i]
		path := path.Child("containers").Key(entry.Name)
		if find(pod.Spec.Containers, entry.Name) == nil {
			errs = append(errs, stale(unknown(path, "container", entry.Name, pod.Spec.Containers)))
			continue
		}
		errs = append(errs, containerRules(entry.Rules, func() *field.Path { return path }, native)...)
	}
	for i := range doc.InitContainers {
		entry := &doc.InitContainers[i]
		path := path.Child("initContainers").Key(entry.Name)
		c := find(pod.Spec.InitContainers, entry.Name)
		if c == nil {
			errs = append(errs, stale(unknown(path, "init container", entry.Name, pod.Spec.InitContainers)))
			continue
		}
		errs = append(errs, initContainerRules(entry.Rules, func() *field.Path { return path }, native)...)
		if err := notSidecar(path, c, entry); err != nil {
			errs = append(errs, stale(err))
		}
	}
	return pod.Unlift(doc), errs
}

// stale says what to do about an annotation of ours that no longer goes with the Pod.
func stale(err *field.Error) *field.Error {
	err.Detail += fmt.Sprintf("; if it is left over from an earlier template, delete the annotation %s", api.LiftedRulesAnnotation)
	return err
}
