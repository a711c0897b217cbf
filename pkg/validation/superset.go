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

// document is the validation of one rules annotation.
type document struct {
	// whole is the Pod with its lifted rules.
	pod, whole *manifest.Pod
	path       *field.Path
	opts       Options
	doc        *manifest.Document
	warnings   []string
	errs       field.ErrorList
}

func (d *document) validate(text string) {
	doc, problems := manifest.ParseDocument(text)
	d.doc, d.errs = doc, unreadable(d.path, problems)
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

// unreadable are the errors of a document that could not be read.
func unreadable(annotation *field.Path, problems []*manifest.DocumentError) (errs field.ErrorList) {
	for _, p := range problems {
		path := annotation.String()
		if p.Path != "" {
			path += "." + p.Path
		}
		errs = append(errs, &field.Error{Type: field.ErrorTypeInvalid, Field: path, BadValue: field.OmitValueType{}, Detail: p.AtLine()})
	}
	return errs
}

func (d *document) container(entry *manifest.DocumentContainer) {
	path := d.path.Child("containers").Key(entry.Name)
	c := find(d.whole.Spec.Containers, entry.Name)
	if c == nil {
		d.add(unknown(path, "container", entry.Name, d.pod.Spec.Containers))
		return
	}
	d.add(containerRules(entry.Rules, func() *field.Path { return path }, annotationLanguage(&d.opts))...)
	d.limits(path, entry)
	d.compare(path, c, find(d.pod.Spec.Containers, entry.Name), entry)
}

func (d *document) initContainer(entry *manifest.DocumentContainer) {
	path := d.path.Child("initContainers").Key(entry.Name)
	c := find(d.whole.Spec.InitContainers, entry.Name)
	if c == nil {
		d.add(unknown(path, "init container", entry.Name, d.pod.Spec.InitContainers))
		return
	}
	d.add(initContainerRules(entry.Rules, func() *field.Path { return path }, annotationLanguage(&d.opts))...)
	d.limits(path, entry)
	if c.IsSidecar() {
		d.sidecar(path, entry)
	}
	if err := notSidecar(path, c, entry); err != nil {
		d.add(err)
		return
	}
	d.compare(path, c, find(d.pod.Spec.InitContainers, entry.Name), entry)
}

// limits validates how the limits of rules go together with the rest of them.
func (d *document) limits(path *field.Path, entry *manifest.DocumentContainer) {
	for i, limit := range entry.Limits {
		path, action := path.Child("restartPolicyRules").Index(i), entry.RestartPolicyRules[i].Action
		switch {
		case limit.MaxRestarts == 0 && limit.Within > 0:
			d.add(field.Required(path.Child("maxRestarts"), "within is the time in which the rule may restart the container that often"))
		case limit.MaxRestarts > 0 && action != corev1.ContainerRestartRuleActionRestart && slices.Contains(annotationLanguage(&d.opts).actions, action):
			d.add(field.Forbidden(path.Child("maxRestarts"), fmt.Sprintf("only a rule with action Restart can be used up, this one has action %s", action)))
		}
	}
}

// sidecar refuses what has no meaning for containers that always restart: a number of restarts; and,
// where only the kubelet restarts them, a back-off.
func (d *document) sidecar(path *field.Path, entry *manifest.DocumentContainer) {
	const why = "init container %q is a sidecar, which always restarts: leave %s out"
	if entry.MaxRestarts != nil {
		d.add(field.Forbidden(path.Child("maxRestarts"), fmt.Sprintf(why, entry.Name, "maxRestarts")))
	}
	if entry.Backoff != nil && !d.opts.RestartAllContainers {
		d.add(field.Forbidden(path.Child("backoff"), fmt.Sprintf(why, entry.Name, "backoff")))
	}
}

// notSidecar is the error of an entry that would make a sidecar of the container.
func notSidecar(path *field.Path, c *manifest.Container, entry *manifest.DocumentContainer) *field.Error {
	if c.IsSidecar() || entry.RestartPolicy == nil || *entry.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		return nil
	}
	return field.Forbidden(path.Child("restartPolicy"), fmt.Sprintf("Always makes init container %q a sidecar, which is Kubernetes' own: "+
		"set restartPolicy: Always in the init container itself", c.Name))
}

// compare compares an entry with the container's native fields, which may have been lifted: then
// the container as it is has others. Rules that are only in the entry are no contradiction: API
// servers and webhooks that know restartPolicy but not restartPolicyRules drop the latter from the
// container.
func (d *document) compare(path *field.Path, c, asItIs *manifest.Container, entry *manifest.DocumentContainer) {
	native, annotated := c.Rules, entry.Rules
	place, remedy := "its own restartPolicy and restartPolicyRules", "make them the same, or leave one of them out"
	where := "in the container and in the annotation"
	if !native.Equal(asItIs.Rules) {
		place = "the annotation " + api.LiftedRulesAnnotation
		remedy = "Restart Rules took these from the template's own restartPolicy and restartPolicyRules, so make them the same there, or, if they are no longer there, delete that annotation"
		where = "in the annotations " + api.LiftedRulesAnnotation + " and"
	}
	switch {
	case native.IsZero() || annotated.IsZero():
	case native.Equal(annotated) && entry.Limits == nil:
		d.warn(c, "its restart rules are both %s %s; they agree, one of them is enough", where, api.RulesAnnotation)
	case native.Equal(annotated):
		d.warn(c, "its restart rules are both %s %s; the latter's apply, with their maxRestarts", where, api.RulesAnnotation)
	case native.Equal(manifest.Rules{RestartPolicy: annotated.RestartPolicy}):
		// That a sidecar's policy is in the container itself is as it must be.
		if *annotated.RestartPolicy != corev1.ContainerRestartPolicyAlways || find(d.pod.Spec.InitContainers, c.Name) == nil {
			d.warn(c, "its restartPolicyRules are those of the annotation %s; the container itself has only the restartPolicy", api.RulesAnnotation)
		}
	default:
		d.add(field.Forbidden(path, fmt.Sprintf("container %q has other restart rules in %s: %s", c.Name, place, remedy)))
	}
}

func (d *document) warn(c *manifest.Container, format string, args ...any) {
	d.warnings = append(d.warnings, "container "+quoted(c.Name)+": "+fmt.Sprintf(format, args...))
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

func unknown(path *field.Path, what, name string, containers []manifest.Container) *field.Error {
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

func find(containers []manifest.Container, name string) *manifest.Container {
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}
