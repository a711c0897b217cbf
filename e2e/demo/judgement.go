package main

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/rules"
)

// judgement knows a container's rules as its user wrote them.
type judgement struct {
	podPolicy corev1.RestartPolicy
	container rules.Container
	// wrapped: a shim decides, and its watcher tells what; else the kubelet does.
	wrapped bool
}

// judgements are those of all containers of an injected Pod, by name. An error says why the Pod is
// not one.
func judgements(pod *corev1.Pod) (map[string]judgement, error) {
	text, ok := pod.Annotations[api.PlanAnnotation]
	if !ok {
		return nil, fmt.Errorf("pod %s has no annotation %s: it was created without the webhook", pod.Name, api.PlanAnnotation)
	}
	p, err := plan.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("pod %s: annotation %s: %w", pod.Name, api.PlanAnnotation, err)
	}
	doc := &manifest.Document{}
	if text, ok := pod.Annotations[api.RulesAnnotation]; ok {
		var problems []*manifest.DocumentError
		if doc, problems = manifest.ParseDocument(text); len(problems) > 0 {
			return nil, fmt.Errorf("pod %s: %w", pod.Name, problems[0])
		}
	}
	all := map[string]judgement{}
	for i := range p.Containers {
		c := &p.Containers[i]
		written, err := rulesOf(c, doc)
		if err != nil {
			return nil, fmt.Errorf("pod %s: container %q: %w", pod.Name, c.Name, err)
		}
		all[c.Name] = judgement{
			podPolicy: corev1.RestartPolicy(p.RestartPolicy.Own),
			container: rules.Container{Name: c.Name, Kind: kindOf(c, written), Policy: written.RestartPolicy, Rules: written.RestartPolicyRules},
			wrapped:   c.Wrapped,
		}
	}
	return all, nil
}

// rulesOf are the native fields, which the plan has kept, or what the annotation has instead.
func rulesOf(c *plan.Container, doc *manifest.Document) (written manifest.Rules, err error) {
	if c.Declared != nil {
		if err := json.Unmarshal(c.Declared, &written); err != nil {
			return written, fmt.Errorf("its declared rules: %w", err)
		}
	}
	entry := doc.Container(c.Name)
	if c.Kind == plan.KindInitContainer {
		entry = doc.InitContainer(c.Name)
	}
	if entry != nil && !entry.Rules.IsZero() {
		written = entry.Rules
	}
	return written, nil
}

func kindOf(c *plan.Container, written manifest.Rules) rules.Kind {
	switch {
	case c.Kind != plan.KindInitContainer:
		return rules.Regular
	case written.RestartPolicy != nil && *written.RestartPolicy == corev1.ContainerRestartPolicyAlways:
		return rules.Sidecar
	default:
		return rules.Init
	}
}

// decide is what the rules say about the code, and the words of the rule that says so.
func (j judgement) decide(code int) (rules.Decision, string) {
	d := rules.Decide(j.podPolicy, &j.container, int32(code))
	return d, j.text(d.Rule)
}

// text is the rule in words: the fields that it is written in.
func (j judgement) text(rule int) string {
	if rule >= 0 && rule < len(j.container.Rules) {
		r := j.container.Rules[rule]
		text := fmt.Sprintf("restartPolicyRules[%d]: %s", rule, r.Action)
		if on := r.ExitCodes; on != nil {
			text += fmt.Sprintf(" on %s %v", on.Operator, on.Values)
		}
		return text
	}
	if j.container.Policy != nil {
		return fmt.Sprintf("restartPolicy %s", *j.container.Policy)
	}
	return fmt.Sprintf("the Pod's restartPolicy %s", j.podPolicy)
}
