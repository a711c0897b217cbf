// Package validation finds what is wrong with a Pod's restart rules. Errors have the paths, the
// order and the words of the API server, where it knows the field.
package validation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// Pod validates the rules and our annotations of a Pod, or of a Pod template whose path is root
// (nil for a Pod), as its user wrote it: lifted rules are still in their annotation. It returns the
// document of the rules annotation, nil if there is none; with errors the document is of no use. The
// warnings, at most 255 bytes each, are for the one who applies it.
func Pod(pod *manifest.Pod, root *field.Path, opts Options) (doc *manifest.Document, warnings []string, errs field.ErrorList) {
	errs = options(pod, root, opts)
	whole, problems := lifted(pod, root, opts)
	errs = append(errs, problems...)
	if text, ok := pod.Metadata.Annotations[api.RulesAnnotation]; ok {
		d := &document{pod: pod, whole: whole, path: annotation(root, api.RulesAnnotation), opts: opts}
		d.validate(text)
		doc, warnings, errs = d.doc, d.warnings, append(errs, d.errs...)
	}
	native := nativeLanguage(&opts)
	for i := range pod.Spec.Containers {
		path := func() *field.Path { return root.Child("spec", "containers").Index(i) }
		errs = append(errs, containerRules(pod.Spec.Containers[i].Rules, path, native)...)
	}
	for i := range pod.Spec.InitContainers {
		path := func() *field.Path { return root.Child("spec", "initContainers").Index(i) }
		errs = append(errs, initContainerRules(pod.Spec.InitContainers[i].Rules, path, native)...)
	}
	for i := range pod.Spec.EphemeralContainers {
		errs = append(errs, ephemeralContainerRules(pod.Spec.EphemeralContainers[i].Rules, root.Child("spec", "ephemeralContainers").Index(i))...)
	}
	if len(errs) == 0 {
		warnings = append(warnings, doubts(whole, doc)...)
		errs = append(excludedSources(whole, doc, root), opts.Allowed.inPlace(whole, doc, root)...)
		warnings = append(warnings, unknownExcluded(pod)...)
	}
	return doc, warnings, errs
}

func annotation(root *field.Path, name string) *field.Path {
	return root.Child("metadata").Child("annotations").Key(name)
}

// options validates the annotations that hold no document.
func options(pod *manifest.Pod, root *field.Path, opts Options) (errs field.ErrorList) {
	if len(pod.Metadata.Annotations) == 0 {
		return nil
	}
	for _, o := range [...]struct {
		annotation string
		values     []string
	}{
		{api.ShareProcessNamespaceAnnotation, []string{"true", "false"}},
		{api.SeamAnnotation, []string{"text", "json", "off"}},
		{api.PreferAnnotation, []string{api.PreferSurvive}},
		{api.ModeAnnotation, []string{api.ModeEmulate}},
		{api.StrategyAnnotation, []string{api.StrategySandbox}},
	} {
		value, ok := pod.Metadata.Annotations[o.annotation]
		if ok && !slices.Contains(o.values, value) {
			errs = append(errs, field.NotSupported(annotation(root, o.annotation), value, o.values))
		}
	}
	if pod.Metadata.Annotations[api.StrategyAnnotation] == api.StrategySandbox {
		if err := opts.Allowed.strategy(StrategySandbox, annotation(root, api.StrategyAnnotation)); err != nil {
			errs = append(errs, err)
		}
	}
	if value, ok := pod.Metadata.Annotations[api.MaxRestartsAnnotation]; ok && maxRestarts(value) == nil {
		errs = append(errs, field.Invalid(annotation(root, api.MaxRestartsAnnotation), value, fmt.Sprintf("must be a number from 0 to %d", manifest.MaxContainerRestarts)))
	}
	if value, ok := pod.Metadata.Annotations[api.PausedAnnotation]; ok && !isPause(pod, value) {
		errs = append(errs, field.Invalid(annotation(root, api.PausedAnnotation), value, "must be true, false, or names of containers with commas between them"))
	}
	return append(errs, initScripts(pod, root)...)
}

// isPause reports whether the text can be the value of PausedAnnotation. Once the Pod runs nobody asks.
func isPause(pod *manifest.Pod, text string) bool {
	if text == api.PausedAll || text == "false" {
		return true
	}
	for name := range strings.SplitSeq(text, ",") {
		named := func(c manifest.Container) bool { return c.Name == strings.TrimSpace(name) }
		if !slices.ContainsFunc(pod.Spec.Containers, named) && !slices.ContainsFunc(pod.Spec.InitContainers, named) {
			return false
		}
	}
	return true
}

// maxRestarts is the number that the text holds, or nil.
func maxRestarts(text string) *int32 {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n > manifest.MaxContainerRestarts {
		return nil
	}
	limit := int32(n)
	return &limit
}
