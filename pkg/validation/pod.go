// Package validation finds what is wrong with a Pod's restart rules. Errors have the paths, the
// order and the words of the API server, where it knows the field.
package validation

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// Pod validates the rules and our annotations of a Pod, or of a Pod template whose path is root
// (nil for a Pod). It returns the document of the rules annotation, nil if there is none; with
// errors the document is of no use. The warnings are for the one who applies it.
func Pod(pod *manifest.Pod, root *field.Path, opts Options) (doc *manifest.Document, warnings []string, errs field.ErrorList) {
	errs = options(pod, root)
	if text, ok := pod.Metadata.Annotations[api.RulesAnnotation]; ok {
		d := &document{pod: pod, path: annotation(root, api.RulesAnnotation)}
		d.validate(text)
		doc, warnings, errs = d.doc, d.warnings, append(errs, d.errs...)
	}
	spec := root.Child("spec")
	for i := range pod.Spec.Containers {
		errs = append(errs, containerRules(pod.Spec.Containers[i].Rules, spec.Child("containers").Index(i))...)
	}
	for i := range pod.Spec.InitContainers {
		errs = append(errs, initContainerRules(pod.Spec.InitContainers[i].Rules, spec.Child("initContainers").Index(i))...)
	}
	return doc, warnings, errs
}

// Effective is what a container declares, natively or in its entry of the document (nil if it has
// none). Pod has made sure that these don't contradict each other.
func Effective(native manifest.Rules, entry *manifest.DocumentContainer) manifest.Rules {
	if entry != nil && !entry.Rules.IsZero() {
		return entry.Rules
	}
	return native
}

func annotation(root *field.Path, name string) *field.Path {
	return root.Child("metadata").Child("annotations").Key(name)
}

// options validates the annotations that are not the document.
func options(pod *manifest.Pod, root *field.Path) (errs field.ErrorList) {
	for _, o := range []struct {
		annotation string
		values     []string
	}{
		{api.ShareProcessNamespaceAnnotation, []string{"true", "false"}},
		{api.SeamAnnotation, []string{"text", "json", "off"}},
	} {
		value, ok := pod.Metadata.Annotations[o.annotation]
		if ok && !slices.Contains(o.values, value) {
			errs = append(errs, field.NotSupported(annotation(root, o.annotation), value, o.values))
		}
	}
	return errs
}

// document is the validation of one rules annotation.
type document struct {
	pod      *manifest.Pod
	path     *field.Path
	doc      *manifest.Document
	warnings []string
	errs     field.ErrorList
}

func (d *document) validate(text string) {
	doc, problems := manifest.ParseDocument(text)
	d.doc = doc
	for _, p := range problems {
		path := d.path.String()
		if p.Path != "" {
			path += "." + p.Path
		}
		d.errs = append(d.errs, &field.Error{Type: field.ErrorTypeInvalid, Field: path, BadValue: field.OmitValueType{}, Detail: p.AtLine()})
	}
	if len(problems) > 0 {
		return // what could be read may mean something else than what was written
	}
	for i := range doc.Containers {
		d.container(&doc.Containers[i])
	}
	for i := range doc.InitContainers {
		d.initContainer(&doc.InitContainers[i])
	}
}

func (d *document) container(entry *manifest.DocumentContainer) {
	path := d.path.Child("containers").Key(entry.Name)
	c := find(d.pod.Spec.Containers, entry.Name)
	if c == nil {
		d.add(d.unknown(path, "container", entry.Name, d.pod.Spec.Containers))
		return
	}
	d.add(containerRules(entry.Rules, path)...)
	d.compare(path, c, entry)
}

func (d *document) initContainer(entry *manifest.DocumentContainer) {
	path := d.path.Child("initContainers").Key(entry.Name)
	c := find(d.pod.Spec.InitContainers, entry.Name)
	if c == nil {
		d.add(d.unknown(path, "init container", entry.Name, d.pod.Spec.InitContainers))
		return
	}
	d.add(initContainerRules(entry.Rules, path)...)
	if entry.RestartPolicy != nil && *entry.RestartPolicy == corev1.ContainerRestartPolicyAlways && !c.IsSidecar() {
		d.add(field.Forbidden(path.Child("restartPolicy"), fmt.Sprintf("Always makes init container %q a sidecar, which is Kubernetes' own: "+
			"set restartPolicy: Always in the init container itself", c.Name)))
		return
	}
	d.compare(path, c, entry)
}

// compare compares an entry with the container's native fields. Rules that are only in the entry
// are no contradiction: API servers and webhooks that know restartPolicy but not
// restartPolicyRules drop the latter from the container.
func (d *document) compare(path *field.Path, c *manifest.Container, entry *manifest.DocumentContainer) {
	native, annotated := c.Rules, entry.Rules
	switch {
	case native.IsZero() || annotated.IsZero():
	case native.Equal(annotated):
		d.warnings = append(d.warnings, fmt.Sprintf("container %q: its restart rules are both in the container and in the annotation %s; they agree, one of them is enough", c.Name, api.RulesAnnotation))
	case native.Equal(manifest.Rules{RestartPolicy: annotated.RestartPolicy}):
		d.warnings = append(d.warnings, fmt.Sprintf("container %q: its restartPolicyRules are those of the annotation %s; the container itself has only the restartPolicy", c.Name, api.RulesAnnotation))
	default:
		d.add(field.Forbidden(path, fmt.Sprintf("container %q has other restart rules in its own restartPolicy and restartPolicyRules: make them the same, or leave one of them out", c.Name)))
	}
}

func (d *document) unknown(path *field.Path, what, name string, containers []manifest.Container) *field.Error {
	var names []string
	for i := range containers {
		names = append(names, fmt.Sprintf("%q", containers[i].Name))
	}
	list := strings.Join(names, ", ")
	if list == "" {
		list = "none"
	}
	return &field.Error{Type: field.ErrorTypeNotFound, Field: path.String(), BadValue: name,
		Detail: fmt.Sprintf("the Pod has no %s of this name; it has: %s", what, list)}
}

// add adds errors whose fields are in the document, with their line.
func (d *document) add(errs ...*field.Error) {
	for _, err := range errs {
		if line := d.line(err.Field); line > 0 {
			err.Detail += fmt.Sprintf(" (line %d)", line)
		}
		d.errs = append(d.errs, err)
	}
}

// line is the line of the field, or of the nearest field around it that is written.
func (d *document) line(path string) int {
	path = strings.TrimPrefix(path, d.path.String()+".")
	for path != "" {
		if line := d.doc.Line(path); line > 0 {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

func find(containers []manifest.Container, name string) *manifest.Container {
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}
