package compile

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exitcodes"
	"restartrules.dev/pkg/rules"
)

// native is Compile for a cluster whose containers have a restartPolicy and rules.
func native(podPolicy corev1.RestartPolicy, containers []*container, opts Options) Result {
	result := Result{Policy: podPolicy}
	for _, c := range containers {
		result.Containers = append(result.Containers, c.native(podPolicy, opts.Native))
	}
	return result
}

func (c *container) native(podPolicy corev1.RestartPolicy, features Features) Container {
	if c.needed == "" && !c.InPlace && !c.beyondNative(features) {
		return Container{Why: "the kubelet does all of it by the container's native fields", Policy: c.Policy, Rules: c.Rules}
	}
	result := Container{Wrapped: true, Why: "its rules say what native fields can't"}
	if c.needed != "" {
		result.Why = c.needed
	}
	var all exitcodes.Set
	if features.RestartAll && c.needed == "" {
		for _, class := range c.outcomes.Classes() {
			if slices.ContainsFunc(class.Chain, func(d rules.Decision) bool { return d.Action == rules.RestartAll }) {
				all = all.With(class.Codes)
			}
		}
	}
	policy := c.carrier(podPolicy)
	result.OnExit, result.Total = c.table(policy, all)
	if c.Kind == rules.Sidecar || policy != podPolicy || !all.Empty() {
		carried := corev1.ContainerRestartPolicy(policy)
		result.Policy = &carried
	}
	if !all.Empty() {
		result.Rules = []corev1.ContainerRestartRule{restartAll(all)}
	}
	return result
}

// beyondNative reports whether a rule says what native fields can't.
func (c *container) beyondNative(features Features) bool {
	for _, rule := range c.Rules {
		switch rule.Action {
		case rules.ActionTerminate, rules.ActionTerminatePod:
			return true
		case corev1.ContainerRestartRuleActionRestartAllContainers:
			if !features.RestartAll {
				return true
			}
		}
	}
	return false
}

// carrier is the container-level policy under which the kubelet restarts nothing that may end: the
// container's own or the Pod's, if that is so, else the first that is. For an init container Always
// would mean a sidecar; OnFailure does the same.
func (c *container) carrier(podPolicy corev1.RestartPolicy) corev1.RestartPolicy {
	own := podPolicy
	if c.Policy != nil {
		own = corev1.RestartPolicy(*c.Policy)
	}
	if c.Kind == rules.Init && own == corev1.RestartPolicyAlways {
		own = corev1.RestartPolicyOnFailure
	}
	for _, p := range [...]corev1.RestartPolicy{own, corev1.RestartPolicyOnFailure} {
		if c.ends(p).Empty() {
			return p
		}
	}
	return corev1.RestartPolicyNever
}

func restartAll(all exitcodes.Set) corev1.ContainerRestartRule {
	on := &corev1.ContainerRestartRuleOnExitCodes{Operator: corev1.ContainerRestartRuleOnExitCodesOpIn}
	for code := range exitcodes.Count {
		if all.Has(code) {
			on.Values = append(on.Values, int32(code))
		}
	}
	if all == exitcodes.All { // one more than Kubernetes allows
		on.Operator, on.Values = corev1.ContainerRestartRuleOnExitCodesOpNotIn, nil
	}
	return corev1.ContainerRestartRule{Action: corev1.ContainerRestartRuleActionRestartAllContainers, ExitCodes: on}
}
