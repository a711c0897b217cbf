// Package rules decides what happens when a container has exited. It is the one place that knows
// the meaning of restartPolicy and restartPolicyRules.
package rules

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exitcodes"
)

// ActionTerminate ends the container for good although its policy would restart it. Kubernetes
// doesn't have it: only rules in the annotation may use it.
const ActionTerminate corev1.ContainerRestartRuleAction = "Terminate"

// ActionTerminatePod ends all containers of the Pod for good. Kubernetes doesn't have it: only rules
// in the annotation may use it.
const ActionTerminatePod corev1.ContainerRestartRuleAction = "TerminatePod"

// IsPodWide reports whether the action concerns all containers of the Pod.
func IsPodWide(action corev1.ContainerRestartRuleAction) bool {
	return action == corev1.ContainerRestartRuleActionRestartAllContainers || action == ActionTerminatePod
}

// Limit says how often a rule applies before it is used up: then it no longer matches, and the next
// one decides. Kubernetes doesn't have it.
type Limit struct {
	// MaxRestarts is how often; 0: there is no limit.
	MaxRestarts int32
	// Within is the time in which that many restarts use the rule up, until the oldest of them is
	// longer ago; 0: for the container's life.
	Within time.Duration
}

// Kind is what sort of container it is, as far as restarts differ.
type Kind uint8

const (
	// Regular is a container of spec.containers.
	Regular Kind = iota
	// Init is a container of spec.initContainers that runs to completion.
	Init
	// Sidecar is a container of spec.initContainers with restartPolicy Always.
	Sidecar
)

// Codes is how many exit codes a process can have: 0..255.
const Codes = exitcodes.Count

// Container is what the decision needs to know of a container.
type Container struct {
	Name   string
	Kind   Kind
	Policy *corev1.ContainerRestartPolicy
	// Rules are only consulted if Policy is set, as in the kubelet.
	Rules []corev1.ContainerRestartRule
	// Limits are those of the rules: as many as there are rules, or nil if no rule has one.
	Limits []Limit
	// MaxRestarts is how often the container restarts before it ends with its exit code, whatever
	// rules and policy say; nil: there is no limit. Decide doesn't count.
	MaxRestarts *int32
	// InPlace says that no restart may be left to the kubelet, because it couldn't count it or
	// doesn't know its back-off.
	InPlace bool
}

// Action is what happens to the container, or to the Pod.
type Action uint8

const (
	// Complete ends the container for good with exit code 0.
	Complete Action = iota
	// Fail ends the container for good with another exit code.
	Fail
	// Restart starts the container again.
	Restart
	// RestartAll starts all containers of the Pod again.
	RestartAll
	// EndPod ends all containers of the Pod for good.
	EndPod
)

// ByPolicy is the Rule of a Decision that no rule but a restartPolicy made.
const ByPolicy = -1

// Decision is what to do after an exit, and which rule said so.
type Decision struct {
	Action Action
	// Rule is the index of the rule that decided, or ByPolicy.
	Rule int
}

// Decide says what Kubernetes with all gates on does after the container has exited with the code,
// in a Pod with that restartPolicy. It does not allocate.
//
// Upstream: pkg/api/v1/pod/util.go, ContainerShouldRestart, for the order of rules, the container's
// policy and the Pod's; pkg/kubelet/kuberuntime/kuberuntime_container.go, computeInitContainerActions,
// for init containers, whose rules and policy are consulted only after a failure, and sidecars, which
// always restart; pkg/kubelet/container/helpers.go, ShouldAllContainersRestart, for
// RestartAllContainers, which asks neither; so it is with TerminatePod. Rules with a limit count as
// not used up.
func Decide(podPolicy corev1.RestartPolicy, c *Container, code int32) Decision {
	rule := ByPolicy
	if c.Policy != nil {
		rule = match(c.Rules, code)
	}
	return decide(podPolicy, c, rule, code)
}

// decide is the decision after the code if the rule is the one that matches.
func decide(podPolicy corev1.RestartPolicy, c *Container, rule int, code int32) Decision {
	var action corev1.ContainerRestartRuleAction
	if rule != ByPolicy {
		action = c.Rules[rule].Action
	}
	switch {
	case action == corev1.ContainerRestartRuleActionRestartAllContainers:
		return Decision{RestartAll, rule}
	case action == ActionTerminatePod:
		return Decision{EndPod, rule}
	case c.Kind == Sidecar:
		return Decision{Restart, ByPolicy}
	case c.Kind == Init && code == 0:
		return Decision{Complete, ByPolicy}
	case action == corev1.ContainerRestartRuleActionRestart:
		return Decision{Restart, rule}
	case action == ActionTerminate:
		return Decision{ending(code), rule}
	case policyRestarts(podPolicy, c.Policy, code):
		return Decision{Restart, ByPolicy}
	default:
		return Decision{ending(code), ByPolicy}
	}
}

func ending(code int32) Action {
	if code == 0 {
		return Complete
	}
	return Fail
}

// match is the index of the first rule that the code matches, or ByPolicy
// (upstream: pkg/api/v1/pod/util.go, FindMatchingContainerRestartRule).
func match(rules []corev1.ContainerRestartRule, code int32) int {
	for i := range rules {
		on := rules[i].ExitCodes
		if on == nil {
			continue
		}
		found := false
		for _, v := range on.Values {
			if v == code {
				found = true
				break
			}
		}
		switch on.Operator {
		case corev1.ContainerRestartRuleOnExitCodesOpIn:
			if found {
				return i
			}
		case corev1.ContainerRestartRuleOnExitCodesOpNotIn:
			if !found {
				return i
			}
		}
	}
	return ByPolicy
}

// policyRestarts is the decision of the container's policy or, without one, the Pod's. Unknown
// policies restart always, as upstream.
func policyRestarts(podPolicy corev1.RestartPolicy, policy *corev1.ContainerRestartPolicy, code int32) bool {
	if policy != nil {
		switch *policy {
		case corev1.ContainerRestartPolicyAlways:
			return true
		case corev1.ContainerRestartPolicyOnFailure:
			return code != 0
		case corev1.ContainerRestartPolicyNever:
			return false
		}
	}
	switch podPolicy {
	case corev1.RestartPolicyOnFailure:
		return code != 0
	case corev1.RestartPolicyNever:
		return false
	default:
		return true
	}
}
