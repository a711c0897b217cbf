package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"restartrules.dev/cmd/kubectl-restartrules/internal/source"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/workload"
)

// subject is an object that restart rules can be in: a Pod, or a workload with its Pod templates.
type subject struct {
	*source.Object
	// kind is nil for a Pod.
	kind *workload.Kind
	// pods are the Pod itself or the Pod templates.
	pods []workload.Template
}

// kinds are the workload kinds of --pod-templates, which add to the built-in ones.
type kinds []workload.Kind

// subject makes a subject of an object. It is nil for other kinds; the note says so of those in
// which it may surprise.
func (k kinds) subject(o *source.Object) (s *subject, note string, err error) {
	if o.Kind == "Pod" && o.APIVersion == "v1" {
		return &subject{Object: o, pods: []workload.Template{{JSON: o.JSON}}}, "", nil
	}
	kind, ok := k.kindOf(o)
	if !ok {
		return nil, unknownTemplate(o), nil
	}
	templates, err := workload.Templates(o.JSON, kind)
	if err != nil {
		return nil, "", err
	}
	return &subject{Object: o, kind: &kind, pods: templates}, "", nil
}

func (k kinds) kindOf(o *source.Object) (workload.Kind, bool) {
	gv, err := schema.ParseGroupVersion(o.APIVersion)
	if err != nil {
		return workload.Kind{}, false
	}
	plural, singular := meta.UnsafeGuessKindToResource(gv.WithKind(o.Kind))
	for _, kind := range k {
		if kind.Group == gv.Group && kind.Version == gv.Version && (kind.Resource == plural.Resource || kind.Resource == singular.Resource) {
			return kind, true
		}
	}
	return workload.KindOf(o.APIVersion, o.Kind)
}

// unknownTemplate tells of an object of an unknown kind that has a Pod template at spec.template.
func unknownTemplate(o *source.Object) string {
	var object struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []json.RawMessage `json:"containers"`
				} `json:"spec"`
			} `json:"template"`
		} `json:"spec"`
	}
	if json.Unmarshal(o.JSON, &object) != nil || len(object.Spec.Template.Spec.Containers) == 0 {
		return ""
	}
	gv, err := schema.ParseGroupVersion(o.APIVersion)
	if err != nil {
		return ""
	}
	plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(o.Kind))
	return fmt.Sprintf("is not looked at, because the kind is not known: --pod-templates=%s/%s/%s=spec.template adds it",
		gv.Group, gv.Version, plural.Resource)
}

// optsOut reports whether a label keeps the webhook away from a Pod, or from the Pods of a template.
func optsOut(t *workload.Template) bool {
	pod, err := manifest.DecodeTemplate(t.JSON)
	return err == nil && pod.Metadata.Labels[api.InjectLabel] == api.InjectDisabled
}

// optedOut are the findings of an object that the webhook is kept away from altogether.
func (s *subject) optedOut() (findings []finding, is bool) {
	for i := range s.pods {
		t := &s.pods[i]
		if !optsOut(t) {
			return nil, false
		}
		if pod, err := manifest.DecodeTemplate(t.JSON); err == nil && pod.HasRules() {
			findings = append(findings, at(s.Object, severityWarning, under(t, "metadata.labels["+api.InjectLabel+"]"),
				"keeps Restart Rules away: the restart rules are not applied"))
		}
	}
	return findings, len(s.pods) > 0
}

// create is what the webhook answers when the object is created.
func (s *subject) create(opts inject.Options) (inject.Result, error) {
	if s.kind == nil {
		return inject.Create(s.JSON, opts)
	}
	return workload.Create(s.JSON, *s.kind, opts)
}

// created are the operations of the webhook for workloads, none for a Pod, and the Pod or the Pod
// templates after them. There must be no errors.
func (s *subject) created(opts inject.Options) ([]inject.Op, []workload.Template, error) {
	if s.kind == nil {
		return nil, s.pods, nil
	}
	result, err := s.create(opts)
	if err != nil {
		return nil, nil, err
	}
	object, err := source.Apply(s.JSON, result.Patch)
	if err != nil {
		return nil, nil, err
	}
	templates, err := workload.Templates(object, *s.kind)
	return result.Patch, templates, err
}

// under is the path of a field of a Pod or Pod template in its object.
func under(t *workload.Template, path string) string {
	if t.Path == nil {
		return path
	}
	return strings.TrimSuffix(t.Path.String()+"."+path, ".")
}
