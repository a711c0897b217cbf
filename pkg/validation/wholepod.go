package validation

import (
	"fmt"
	"slices"
	"strings"

	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/rules"
)

// Excluded are the containers that a restart of the whole Pod leaves alone, by name. The Pod may
// not have all of them.
func Excluded(pod *manifest.Pod) map[string]bool {
	list := pod.Metadata.Annotations[api.ExcludeContainersAnnotation]
	if list == "" {
		return nil
	}
	names := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names[name] = true
		}
	}
	return names
}

// unknownExcluded warns of names that no container has. It is no error: another webhook may add the
// container later.
func unknownExcluded(pod *manifest.Pod) (warnings []string) {
	excluded := Excluded(pod)
	if len(excluded) == 0 {
		return nil
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		delete(excluded, c.Name)
	}
	names := make([]string, 0, len(excluded))
	for name := range excluded {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		warnings = append(warnings, fmt.Sprintf("annotation %s: the Pod has no container %s; it has no effect unless something else adds that", api.ExcludeContainersAnnotation, quoted(name)))
	}
	return warnings
}

// excludedSources refuses to exclude containers whose exits concern the whole Pod.
func excludedSources(whole *manifest.Pod, doc *manifest.Document, root *field.Path) (errs field.ErrorList) {
	excluded := Excluded(whole)
	if len(excluded) == 0 {
		return nil
	}
	path := annotation(root, api.ExcludeContainersAnnotation)
	initContainers, containers := Resolve(whole, doc)
	look := func(list []manifest.Container, resolved []Resolved) {
		for i := range list {
			if !excluded[list[i].Name] {
				continue
			}
			for _, rule := range resolved[i].RestartPolicyRules {
				if rules.IsPodWide(rule.Action) {
					errs = append(errs, field.Forbidden(path, fmt.Sprintf("container %q has a rule with action %s, so it can't be left out of what that does: take it off this list, or leave the rule out",
						list[i].Name, rule.Action)))
					break
				}
			}
		}
	}
	look(whole.Spec.Containers, containers)
	look(whole.Spec.InitContainers, initContainers)
	return errs
}

// initScripts validates the annotation that names a ConfigMap.
func initScripts(pod *manifest.Pod, root *field.Path) (errs field.ErrorList) {
	name, ok := pod.Metadata.Annotations[api.InitScriptsAnnotation]
	if !ok {
		return nil
	}
	path := annotation(root, api.InitScriptsAnnotation)
	for _, problem := range utilvalidation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(path, name, "must be the name of a ConfigMap: "+problem))
	}
	if pod.Metadata.Annotations[api.StrategyAnnotation] == api.StrategySandbox {
		errs = append(errs, field.Forbidden(path, fmt.Sprintf("with the annotation %s: %s the init containers themselves run again: leave one of the two out",
			api.StrategyAnnotation, api.StrategySandbox)))
	}
	return errs
}

// device is the first extended resource that the container requests, or "" (upstream:
// pkg/apis/core/v1/helper/helpers.go, IsExtendedResourceName).
func device(r *corev1.ResourceRequirements) string {
	var names []string
	for _, list := range []corev1.ResourceList{r.Requests, r.Limits} {
		for name, quantity := range list {
			if strings.Contains(string(name), "/") && !strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix) && quantity.Sign() > 0 {
				names = append(names, string(name))
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}
