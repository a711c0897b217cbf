package compile

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exitcodes"
	"restartrules.dev/pkg/rules"
)

// emulate is Compile for a cluster that knows only the Pod's policy.
func emulate(podPolicy corev1.RestartPolicy, containers []*container, survive bool) Result {
	policy := podPolicy
	if !survive {
		policy = best(podPolicy, containers)
	}
	result := Result{Policy: policy, Why: whyNotOwn(policy, podPolicy, containers), Containers: make([]Container, 0, len(containers))}
	for _, c := range containers {
		result.Containers = append(result.Containers, c.emulated(policy))
	}
	return result
}

// best is the policy that fits with the fewest wrapped containers.
func best(podPolicy corev1.RestartPolicy, containers []*container) corev1.RestartPolicy {
	best, fewest := corev1.RestartPolicyNever, len(containers)+1
	for _, p := range [...]corev1.RestartPolicy{podPolicy, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever} {
		if _, _, ok := fits(p, containers); !ok {
			continue
		}
		wrapped := 0
		for _, c := range containers {
			if c.needed != "" || !c.beyond(p).Empty() {
				wrapped++
			}
		}
		if wrapped < fewest {
			best, fewest = p, wrapped
		}
	}
	return best
}

// fits reports whether no decision that ends a container is one the kubelet would restart under
// the policy; if not, which container and code are the first.
func fits(policy corev1.RestartPolicy, containers []*container) (c *container, code int, ok bool) {
	for _, c := range containers {
		if code := c.ends(policy).First(); code >= 0 {
			return c, code, false
		}
	}
	return nil, 0, true
}

func (c *container) emulated(policy corev1.RestartPolicy) Container {
	var result Container
	if c.Kind == rules.Sidecar {
		result.Policy = c.Policy
	}
	beyond, lingers := c.beyond(policy), c.ends(policy)
	if c.needed == "" && beyond.Empty() && lingers.Empty() {
		result.Why = "the kubelet does all of it under the Pod's restartPolicy " + string(policy)
		return result
	}
	result.Wrapped = true
	result.OnExit, result.Total = c.table(policy, exitcodes.Set{})
	result.Lingers = lingers.String()
	switch {
	case c.needed != "":
		result.Why = c.needed
	case beyond.Empty():
		result.Why = fmt.Sprintf("lingers after exit code %s, where the kubelet would restart it under the Pod's restartPolicy %s", lingers, policy)
	case c.watched:
		result.Why = "restarts in place, and has probes, which are the watcher's then"
	case c.InPlace:
		result.Why = "its restarts are counted or have a back-off of their own, so they are all in place"
	default:
		result.Why = "restarts on exit code " + beyond.String() + ", where the kubelet would not under the Pod's restartPolicy " + string(policy)
	}
	return result
}

func whyNotOwn(policy, podPolicy corev1.RestartPolicy, containers []*container) string {
	if policy == podPolicy {
		return ""
	}
	if slices.ContainsFunc(containers, func(c *container) bool { return c.endsAnyhow }) {
		return "a rule with action TerminatePod can end it after any exit code"
	}
	if c, code, ok := fits(podPolicy, containers); !ok {
		return fmt.Sprintf("container %q ends for good on exit code %d", c.Name, code)
	}
	for _, c := range containers {
		if beyond := c.beyond(podPolicy); !beyond.Empty() && c.beyond(policy).Empty() {
			return fmt.Sprintf("the kubelet then restarts container %q on exit code %s by itself", c.Name, beyond)
		}
	}
	return "it says the same with fewer shims"
}
