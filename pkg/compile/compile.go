// Package compile finds the least invasive way to have a Pod's rules carried out: a Pod-level
// restartPolicy that the kubelet follows, and the containers that need a shim besides.
package compile

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/rules"
)

// Features are what the cluster does itself, on every node.
type Features struct {
	// Restart is the gate ContainerRestartRules: containers have a restartPolicy and rules with the
	// action Restart.
	Restart bool
	// RestartAll is the gate RestartAllContainersOnContainerExits.
	RestartAll bool
}

// Result is a Pod-level policy and, for each container in the order given, whether it is wrapped.
type Result struct {
	Policy corev1.RestartPolicy
	// Why says why Policy isn't the Pod's own; empty if it is.
	Why        string
	Containers []Container
}

// Container is the result for one container.
type Container struct {
	Wrapped bool
	// Why is one short sentence for people.
	Why string
	// OnExit is what the shim does; nil if the container is not wrapped.
	OnExit *exittable.Table
}

// Compile takes, of the Pod-level policies that fit, the one with the fewest wrapped containers;
// among equals the Pod's own, then Always, OnFailure, Never. The result is exact: for every
// container and code, kubelet and shim together do what rules.Decide says. The action
// RestartAllContainers counts as a restart of the container; package validation refuses it before.
func Compile(podPolicy corev1.RestartPolicy, containers []rules.Container) Result {
	best, fewest := corev1.RestartPolicyNever, len(containers)+1
	for _, p := range [...]corev1.RestartPolicy{podPolicy, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever} {
		if _, _, ok := fits(p, podPolicy, containers); !ok {
			continue
		}
		wrapped := 0
		for i := range containers {
			if !codesBeyond(p, podPolicy, &containers[i]).empty() {
				wrapped++
			}
		}
		if wrapped < fewest {
			best, fewest = p, wrapped
		}
	}
	result := Result{Policy: best, Why: whyNotOwn(best, podPolicy, containers)}
	for i := range containers {
		result.Containers = append(result.Containers, container(best, podPolicy, &containers[i]))
	}
	return result
}

// kubeletRestarts says what a kubelet that knows no rules does (upstream, gate off:
// pkg/kubelet/container/helpers.go, ShouldContainerBeRestarted, and
// pkg/kubelet/kuberuntime/kuberuntime_container.go, computeInitContainerActions).
func kubeletRestarts(policy corev1.RestartPolicy, kind rules.Kind, code int32) bool {
	switch {
	case kind == rules.Sidecar:
		return true
	case kind == rules.Init:
		return code != 0 && policy != corev1.RestartPolicyNever
	case policy == corev1.RestartPolicyNever:
		return false
	case policy == corev1.RestartPolicyOnFailure:
		return code != 0
	default:
		return true
	}
}

func restarts(d rules.Decision) bool {
	return d.Action == rules.Restart || d.Action == rules.RestartAll
}

// fits reports whether no decision that ends a container is one the kubelet would restart under
// the policy; if not, which container and code are the first.
func fits(policy, podPolicy corev1.RestartPolicy, containers []rules.Container) (c *rules.Container, code int32, ok bool) {
	for i := range containers {
		c := &containers[i]
		for code := range int32(exittable.Codes) {
			if !restarts(rules.Decide(podPolicy, c, code)) && kubeletRestarts(policy, c.Kind, code) {
				return c, code, false
			}
		}
	}
	return nil, 0, true
}

// codesBeyond are the exit codes after which the container restarts where the kubelet, under the
// policy, would not restart it.
func codesBeyond(policy, podPolicy corev1.RestartPolicy, c *rules.Container) (beyond codes) {
	for code := range int32(exittable.Codes) {
		beyond[code] = restarts(rules.Decide(podPolicy, c, code)) && !kubeletRestarts(policy, c.Kind, code)
	}
	return beyond
}

func container(policy, podPolicy corev1.RestartPolicy, c *rules.Container) Container {
	beyond := codesBeyond(policy, podPolicy, c)
	if beyond.empty() {
		return Container{Why: fmt.Sprintf("the kubelet does all of it under the Pod's restartPolicy %s", policy)}
	}
	table := exittable.All(exittable.Entry{Action: exittable.End, Rule: exittable.Policy})
	for code := range beyond {
		if beyond[code] {
			d := rules.Decide(podPolicy, c, int32(code))
			table[code] = exittable.Entry{Action: exittable.Restart, Rule: int16(d.Rule)}
		}
	}
	why := fmt.Sprintf("restarts on exit code %s, where the kubelet would not under the Pod's restartPolicy %s", beyond, policy)
	return Container{Wrapped: true, Why: why, OnExit: table}
}

func whyNotOwn(policy, podPolicy corev1.RestartPolicy, containers []rules.Container) string {
	if policy == podPolicy {
		return ""
	}
	if c, code, ok := fits(podPolicy, podPolicy, containers); !ok {
		return fmt.Sprintf("container %q ends for good on exit code %d", c.Name, code)
	}
	for i := range containers {
		c := &containers[i]
		if beyond := codesBeyond(podPolicy, podPolicy, c); !beyond.empty() && codesBeyond(policy, podPolicy, c).empty() {
			return fmt.Sprintf("the kubelet then restarts container %q on exit code %s by itself", c.Name, beyond)
		}
	}
	return "it says the same with fewer shims"
}

// codes is a set of exit codes.
type codes [exittable.Codes]bool

func (s codes) empty() bool { return s == codes{} }

// String lists the set as ranges, the first four at most.
func (s codes) String() string {
	var parts []string
	for lo := 0; lo < len(s); lo++ {
		if !s[lo] {
			continue
		}
		if len(parts) == 4 {
			parts = append(parts, "...")
			break
		}
		hi := lo
		for hi+1 < len(s) && s[hi+1] {
			hi++
		}
		text := strconv.Itoa(lo)
		if hi > lo {
			text += "-" + strconv.Itoa(hi)
		}
		parts = append(parts, text)
		lo = hi
	}
	return strings.Join(parts, ",")
}
