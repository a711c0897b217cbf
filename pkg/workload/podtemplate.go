package workload

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// podTemplate is a Pod template, decoded.
type podTemplate struct {
	*manifest.Pod
	// text is the template as it was sent, fields all that is in it.
	text   json.RawMessage
	fields map[string]any
	// native is what the native fields say, lifted what the annotation says that was lifted.
	native, lifted map[containerKey]manifest.DocumentContainer
	// unreadable says that the annotation is there and can't be read.
	unreadable bool
}

// containerKey tells containers of a template apart.
type containerKey struct {
	// list is the field of the Pod's spec.
	list, name string
}

const (
	containers     = "containers"
	initContainers = "initContainers"
)

func decodeTemplate(t *Template) (*podTemplate, error) {
	pod, err := manifest.DecodeTemplate(t.JSON)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.where(), err)
	}
	p := &podTemplate{Pod: pod, text: t.JSON, native: entries(manifest.Lift(pod))}
	if err := json.Unmarshal(t.JSON, &p.fields); err != nil {
		return nil, fmt.Errorf("%s: %w", t.where(), err)
	}
	if text := p.annotation(api.LiftedRulesAnnotation); text != "" {
		doc, problems := manifest.ParseLifted(text)
		p.lifted, p.unreadable = entries(doc), len(problems) > 0
	}
	return p, nil
}

func (p *podTemplate) annotation(name string) string { return p.Metadata.Annotations[name] }

// container is the container of that key, or nil.
func (p *podTemplate) container(key containerKey) *manifest.Container {
	list := p.Spec.Containers
	if key.list == initContainers {
		list = p.Spec.InitContainers
	}
	for i := range list {
		if list[i].Name == key.name {
			return &list[i]
		}
	}
	return nil
}

// declares reports whether the template has native fields for the container, or says itself what was
// lifted.
func (p *podTemplate) declares(key containerKey) bool {
	if p == nil {
		return false
	}
	_, native := p.native[key]
	_, lifted := p.lifted[key]
	return native || lifted
}

// restartsAll reports whether native fields say what only API servers with RestartAllContainers accept.
func (p *podTemplate) restartsAll() bool {
	for _, c := range p.native {
		sidecar := c.Rules.IsSidecar() && len(c.RestartPolicyRules) > 0
		if sidecar || slices.ContainsFunc(c.RestartPolicyRules, func(r corev1.ContainerRestartRule) bool {
			return r.Action == corev1.ContainerRestartRuleActionRestartAllContainers
		}) {
			return true
		}
	}
	return false
}

// entries are the entries of a document, nil for none.
func entries(doc *manifest.Document) map[containerKey]manifest.DocumentContainer {
	m := map[containerKey]manifest.DocumentContainer{}
	if doc == nil {
		return m
	}
	for _, c := range doc.Containers {
		m[containerKey{containers, c.Name}] = c
	}
	for _, c := range doc.InitContainers {
		m[containerKey{initContainers, c.Name}] = c
	}
	return m
}

// document is the document of those entries.
func document(all ...map[containerKey]manifest.DocumentContainer) *manifest.Document {
	doc := &manifest.Document{}
	for _, entries := range all {
		for key, c := range entries {
			if key.list == containers {
				doc.Containers = append(doc.Containers, c)
			} else {
				doc.InitContainers = append(doc.InitContainers, c)
			}
		}
	}
	return doc
}

// withAnnotations is a copy of the template's fields with these values of annotations; those with an
// empty value are removed.
func (p *podTemplate) withAnnotations(values map[string]string) map[string]any {
	fields := maps.Clone(p.fields)
	metadata, _ := fields["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if metadata = maps.Clone(metadata); metadata == nil {
		metadata = map[string]any{}
	}
	if annotations = maps.Clone(annotations); annotations == nil {
		annotations = map[string]any{}
	}
	for name, value := range values {
		if value == "" {
			delete(annotations, name)
		} else {
			annotations[name] = value
		}
	}
	if delete(metadata, "annotations"); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	if delete(fields, "metadata"); len(metadata) > 0 {
		fields["metadata"] = metadata
	}
	return fields
}
