// Package existing explains Pods that a cluster has: what its restart rules come to, who acts on them, and what
// has happened so far.
package existing

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/cmd/kubectl-restartrules/internal/status"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/explain"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
)

// Who acts on the rules of a Pod.
const (
	// Emulated rules are done by shims and a watcher that were injected.
	Emulated = "emulated"
	// ByPolicy are rules that the kubelet carries out because the Pod has another restartPolicy.
	ByPolicy = "policy"
	// Native rules are left to the kubelet.
	Native = "native"
	// NotApplied are rules on which nobody acts.
	NotApplied = "not applied"
	// NoRules is a Pod without any.
	NoRules = "none"
)

// Pod is the explanation of a Pod of a cluster.
type Pod struct {
	Object string `json:"object"`
	// Mode is one of the constants above, ModeWhy why: a sentence without a full stop.
	Mode    string `json:"mode"`
	ModeWhy string `json:"modeWhy"`
	// Pod is what happens after each exit; nil without rules, or if they can't be compiled.
	*explain.Pod
	// Restarts are those of the containers so far.
	Restarts []Restarts `json:"restarts"`
}

// Restarts of one container.
type Restarts struct {
	Container string `json:"container"`
	// Kubelet counts the kubelet's, InPlace those in place; nil: nothing is known of them, because the Pod was never heard of.
	Kubelet int32 `json:"kubelet"`
	InPlace *int  `json:"inPlace,omitempty"`
}

// Of explains a Pod. The error says what about it is not as we write it.
func Of(pod *corev1.Pod) (*Pod, error) {
	text, err := json.Marshal(pod)
	if err != nil {
		return nil, fmt.Errorf("encode pod: %w", err)
	}
	decoded, err := manifest.DecodePod(text)
	if err != nil {
		return nil, err
	}
	p := &Pod{Object: "Pod/" + pod.Namespace + "/" + pod.Name}
	if planned := pod.Annotations[api.PlanAnnotation]; planned != "" {
		made, err := plan.Decode(planned)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Object, err)
		}
		compiled := compiledAs(text, made)
		if compiled != nil {
			p.Pod = explain.Explain(compiled)
		}
		p.Mode, p.ModeWhy = modeOf(pod, made)
		return p, p.restarts(pod, made)
	}
	if !decoded.HasRules() {
		p.Mode, p.ModeWhy = NoRules, "it has no restart rules: the kubelet follows its restartPolicy"
		return p, p.restarts(pod, nil)
	}
	p.unplanned(text, decoded)
	return p, p.restarts(pod, nil)
}

// candidates are what a cluster may have had when a Pod was made.
var candidates = []compile.Features{{}, {Restart: true}, {Restart: true, RestartAll: true}}

// compiledAs compiles what the user wrote as it was compiled when the Pod was made; nil if that can't be found out.
func compiledAs(pod []byte, made *plan.Plan) *inject.Compiled {
	for _, features := range candidates {
		compiled, _, errs, err := inject.Compile(pod, nil, options(features))
		if err == nil && len(errs) == 0 && compiled != nil && agrees(compiled, made) {
			return compiled
		}
	}
	return nil
}

// options leave lookups of images open: what they run does not matter here.
func options(native compile.Features) inject.Options {
	return inject.Options{Native: native, ShareProcessNamespace: true, ReadinessPort: inject.DefaultReadinessPort,
		EntryPoint: func([]string, string) (inject.Found, bool) { return inject.Found{}, false }}
}

func agrees(c *inject.Compiled, made *plan.Plan) bool {
	if string(c.Result.Policy) != made.RestartPolicy.Compiled {
		return false
	}
	for i := range c.Containers {
		entry := made.Container(c.Containers[i].Rules.Name)
		if entry == nil || entry.Wrapped != c.Result.Containers[i].Wrapped {
			return false
		}
	}
	return true
}

func modeOf(pod *corev1.Pod, made *plan.Plan) (mode, why string) {
	carried := slices.ContainsFunc(made.Containers, func(c plan.Container) bool { return c.Carried != nil })
	wrapped := slices.DeleteFunc(made.Wrapped(), func(name string) bool { return made.Container(name).TwinOf != "" })
	switch {
	case len(wrapped) > 0:
		why = "a shim is in front of the command of " + strings.Join(wrapped, ", ")
		switch {
		case pod.Annotations[api.ModeAnnotation] == api.ModeEmulate:
			why += fmt.Sprintf("; the annotation %s: %s insists on it", api.ModeAnnotation, api.ModeEmulate)
		case carried:
			why += "; what the cluster has itself is left to it, in native fields"
		default:
			why += "; when the Pod was made, nothing of that was left to the cluster"
		}
		return Emulated, why
	case carried:
		return Native, "the rules were translated to native fields, because the cluster had these on all nodes when the Pod was made"
	default:
		return ByPolicy, fmt.Sprintf("with restartPolicy %s in place of %s the kubelet does what the rules say", made.RestartPolicy.Compiled, made.RestartPolicy.Own)
	}
}

// unplanned explains a Pod with rules that was not changed by us.
func (p *Pod) unplanned(text []byte, pod *manifest.Pod) {
	p.Mode, p.ModeWhy = NotApplied, "it was created without Restart Rules being asked: `kubectl restartrules check POD` says why"
	if native := nativeOnly(pod); native {
		p.Mode, p.ModeWhy = Native, "it has native fields and was left as it is: its node's kubelet acts on them, if it has the feature"
		if compiled, _, errs, err := inject.Compile(text, nil, options(candidates[2])); err == nil && len(errs) == 0 && compiled != nil {
			p.Pod = explain.Explain(compiled)
		}
		return
	}
	compiled, _, errs, err := inject.Compile(text, nil, options(compile.Features{}))
	if err != nil || len(errs) > 0 || compiled == nil {
		return
	}
	for i := range compiled.Result.Containers {
		if compiled.Result.Containers[i].Wrapped {
			return
		}
	}
	if compiled.Result.Policy == compiled.Own {
		p.Mode, p.ModeWhy = ByPolicy, fmt.Sprintf("with its own restartPolicy %s the kubelet does what the rules say", compiled.Own)
		p.Pod = explain.Explain(compiled)
	}
}

// nativeOnly reports whether all rules of a Pod are native fields.
func nativeOnly(pod *manifest.Pod) bool {
	return pod.Metadata.Annotations[api.RulesAnnotation] == "" && pod.Metadata.Annotations[api.LiftedRulesAnnotation] == ""
}

// restarts counts them, but for the containers that are ours.
func (p *Pod) restarts(pod *corev1.Pod, made *plan.Plan) error {
	inPlace := map[string]*int{}
	if made != nil {
		known, err := status.Of(pod)
		if err != nil {
			return err
		}
		for _, c := range known.Containers {
			inPlace[c.Name] = c.InPlace
		}
	}
	counts := map[string]int32{} // of a Pod that is new the kubelet has said nothing yet
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		counts[s.Name] = s.RestartCount
	}
	p.Restarts = []Restarts{}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name == api.WatcherContainer || made != nil && made.Container(c.Name) != nil && made.Container(c.Name).TwinOf != "" {
			continue
		}
		r := Restarts{Container: c.Name, Kubelet: counts[c.Name], InPlace: inPlace[c.Name]}
		if r.InPlace == nil && made != nil && made.Container(c.Name) != nil && !restartsInPlace(made.Container(c.Name)) {
			r.InPlace = new(int)
		}
		p.Restarts = append(p.Restarts, r)
	}
	return nil
}

// restartsInPlace reports whether a container is started again in place at all.
func restartsInPlace(c *plan.Container) bool { return c.Wrapped || c.Twin != "" || c.InitScript != "" }
