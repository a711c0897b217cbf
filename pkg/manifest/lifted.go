package manifest

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

// Lift is the document of the native fields of the Pod: those of regular and init containers, and
// the rules of sidecars, whose restartPolicy Always stays where it is. It is nil if there is nothing
// to lift.
func Lift(pod *Pod) *Document {
	doc := &Document{}
	for i := range pod.Spec.Containers {
		doc.Containers = lift(doc.Containers, &pod.Spec.Containers[i], false)
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		doc.InitContainers = lift(doc.InitContainers, c, c.IsSidecar())
	}
	if len(doc.Containers)+len(doc.InitContainers) == 0 {
		return nil
	}
	return doc
}

func lift(list []DocumentContainer, c *Container, sidecar bool) []DocumentContainer {
	if c.Rules.IsZero() || sidecar && len(c.RestartPolicyRules) == 0 {
		return list
	}
	return append(list, DocumentContainer{Name: c.Name, Rules: c.Rules})
}

// The lifted form has types of its own: those of Kubernetes may get fields.
type (
	liftedDocument struct {
		Version        string                     `json:"version"`
		Containers     map[string]liftedContainer `json:"containers,omitempty"`
		InitContainers map[string]liftedContainer `json:"initContainers,omitempty"`
	}
	liftedContainer struct {
		RestartPolicy      *corev1.ContainerRestartPolicy `json:"restartPolicy,omitempty"`
		RestartPolicyRules []liftedRule                   `json:"restartPolicyRules,omitempty"`
	}
	liftedRule struct {
		Action    corev1.ContainerRestartRuleAction `json:"action"`
		ExitCodes *liftedExitCodes                  `json:"exitCodes,omitempty"`
	}
	liftedExitCodes struct {
		Operator corev1.ContainerRestartRuleOnExitCodesOperator `json:"operator"`
		Values   []int32                                        `json:"values,omitempty"`
	}
)

// EncodeLifted is the value of the annotation restartrules.dev/lifted-rules: compact JSON with the
// rules of the document, containers in the order of their names. The same rules give the same bytes
// in every release, for another text would be a rollout. Limits and back-offs are left out. A
// document without rules, or nil, gives "".
func EncodeLifted(doc *Document) (string, error) {
	if doc == nil {
		return "", nil
	}
	lifted := liftedDocument{Version: DocumentVersion, Containers: encodeList(doc.Containers), InitContainers: encodeList(doc.InitContainers)}
	if lifted.Containers == nil && lifted.InitContainers == nil {
		return "", nil
	}
	text, err := json.Marshal(lifted)
	if err != nil {
		return "", fmt.Errorf("encode annotation %s: %w", api.LiftedRulesAnnotation, err)
	}
	return string(text), nil
}

func encodeList(containers []DocumentContainer) map[string]liftedContainer {
	var list map[string]liftedContainer
	for _, c := range containers {
		if c.Rules.IsZero() {
			continue
		}
		lifted := liftedContainer{RestartPolicy: c.RestartPolicy}
		for _, rule := range c.RestartPolicyRules {
			r := liftedRule{Action: rule.Action}
			if on := rule.ExitCodes; on != nil {
				r.ExitCodes = &liftedExitCodes{on.Operator, on.Values}
			}
			lifted.RestartPolicyRules = append(lifted.RestartPolicyRules, r)
		}
		if list == nil {
			list = map[string]liftedContainer{}
		}
		list[c.Name] = lifted
	}
	return list
}

// WithLifted is the Pod as it was before its native fields were lifted into the annotation
// restartrules.dev/lifted-rules. Native fields that are there stand: only containers without any
// get the lifted ones, and sidecars without rules get rules. What the Pod has no container for is
// passed over; package validation reports it. Without the annotation it is the Pod itself;
// otherwise the Pod is not changed. With errors, which say what is wrong with the annotation, it is
// the Pod itself, too.
func (p *Pod) WithLifted() (*Pod, []*DocumentError) {
	text := p.Metadata.Annotations[api.LiftedRulesAnnotation]
	if text == "" {
		return p, nil
	}
	doc, errs := ParseLifted(text)
	if len(errs) > 0 {
		return p, errs
	}
	return p.Unlift(doc), nil
}

// Unlift is WithLifted with a document that was read before.
func (p *Pod) Unlift(doc *Document) *Pod {
	whole := *p
	whole.Spec.Containers = unlift(p.Spec.Containers, doc.Containers, false)
	whole.Spec.InitContainers = unlift(p.Spec.InitContainers, doc.InitContainers, true)
	return &whole
}

func unlift(containers []Container, lifted []DocumentContainer, init bool) []Container {
	containers = slices.Clone(containers)
	for i := range containers {
		c := &containers[i]
		entry := find(lifted, c.Name)
		if entry == nil {
			continue
		}
		if init && (c.IsSidecar() || entry.isAlways()) {
			if c.IsSidecar() && entry.isAlways() && len(c.RestartPolicyRules) == 0 {
				c.RestartPolicyRules = entry.RestartPolicyRules
			}
			continue
		}
		if c.Rules.IsZero() {
			c.Rules = entry.Rules
		}
	}
	return containers
}
