// Package compile finds the least invasive way to have a Pod's rules carried out: native fields
// where the cluster acts on them, else a Pod-level restartPolicy that the kubelet follows, and the
// containers that need a shim besides.
package compile

import (
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exitcodes"
	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/rules"
)

// Options are what besides the rules decides how they are carried out.
type Options struct {
	Native Features
	// Survive keeps the Pod's own policy: containers that it would restart although they have ended
	// for good linger instead.
	Survive bool
	// MaxRestarts is the default for containers that are wrapped; nil: there is none.
	MaxRestarts *int32
}

// Result is a Pod-level policy and, for each container in the order given, how it is carried out.
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
	// Total bounds the shim's restarts; nil: nothing does.
	Total *exittable.Total
	// Lingers are the exit codes after which the container lingers, as text; empty: none.
	Lingers string
	// Policy and Rules are the native fields that the container carries. A sidecar always keeps its
	// policy.
	Policy *corev1.ContainerRestartPolicy
	Rules  []corev1.ContainerRestartRule
}

// Compile finds a result that is exact: for every container and code, kubelet and shim together do
// what rules.Decide says. The action RestartAllContainers, where it is not native, counts as a
// restart of the container; package validation refuses it before.
//
// Where the cluster has Restart itself the Pod keeps its policy, and only containers are wrapped
// whose rules say what native fields can't. Elsewhere, of the Pod-level policies that fit, Compile
// takes the one with the fewest wrapped containers; among equals the Pod's own, then Always,
// OnFailure, Never.
func Compile(podPolicy corev1.RestartPolicy, list []rules.Container, opts Options) Result {
	containers := make([]*container, len(list))
	for i := range list {
		c := list[i] // MaxRestarts may be set
		containers[i] = &container{Container: &c, outcomes: rules.NewOutcomes(podPolicy, &c)}
	}
	for {
		var result Result
		if opts.Native.Restart {
			result = native(podPolicy, containers, opts)
		} else {
			result = emulate(podPolicy, containers, opts.Survive)
		}
		if !limit(containers, result.Containers, opts.MaxRestarts) {
			return result
		}
	}
}

// limit gives wrapped containers without a limit of their own the default. It returns whether there
// were any: a container that may end after all can change who is wrapped.
func limit(containers []*container, results []Container, most *int32) (changed bool) {
	if most == nil {
		return false
	}
	for i, c := range containers {
		if results[i].Wrapped && c.MaxRestarts == nil {
			c.MaxRestarts, c.InPlace, changed = most, true, true
		}
	}
	return changed
}

// container is one container with all that can come after its exits.
type container struct {
	*rules.Container
	outcomes *rules.Outcomes
}

// kubeletRestarts says what a kubelet that knows no rules does (upstream, gate off:
// pkg/kubelet/container/helpers.go, ShouldContainerBeRestarted, and
// pkg/kubelet/kuberuntime/kuberuntime_container.go, computeInitContainerActions).
func kubeletRestarts(policy corev1.RestartPolicy, kind rules.Kind, code int) bool {
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

// ends are the exit codes after which the container may end for good where the kubelet, under the
// policy, would restart it.
func (c *container) ends(policy corev1.RestartPolicy) (ends exitcodes.Set) {
	for code := range exitcodes.Count {
		if c.mayEnd(code) && kubeletRestarts(policy, c.Kind, code) {
			ends.Add(code)
		}
	}
	return ends
}

func (c *container) mayEnd(code int) bool {
	chain := c.outcomes.After(code)
	return !restarts(chain[len(chain)-1]) || c.MaxRestarts != nil && c.Kind != rules.Sidecar
}

// beyond are the exit codes after which the container may restart where the kubelet, under the
// policy, would not restart it, or must not.
func (c *container) beyond(policy corev1.RestartPolicy) (beyond exitcodes.Set) {
	for code := range exitcodes.Count {
		if restarts(c.outcomes.After(code)[0]) && (c.InPlace || !kubeletRestarts(policy, c.Kind, code)) {
			beyond.Add(code)
		}
	}
	return beyond
}

// table is what the shim does if the kubelet follows the policy. natively are the codes that native
// rules of the container act on.
func (c *container) table(policy corev1.RestartPolicy, natively exitcodes.Set) (*exittable.Table, *exittable.Total) {
	end := exittable.Step{Action: exittable.End, Rule: exittable.Policy}
	linger := exittable.Step{Action: exittable.Linger, Rule: exittable.Policy}
	ends := c.ends(policy)
	table := new(exittable.Table)
	for code := range table {
		for _, d := range c.outcomes.After(code) {
			step := end
			switch {
			case d.Action == rules.RestartAll && natively.Has(code):
			case restarts(d) && (c.InPlace || !kubeletRestarts(policy, c.Kind, code)):
				step = exittable.Step{Action: exittable.Restart, Rule: int16(d.Rule)}
				if l := c.Limit(d.Rule); d.Action == rules.Restart && l.MaxRestarts > 0 {
					step.Max, step.Within = l.MaxRestarts, l.Within
				}
			case !restarts(d) && ends.Has(code):
				step = linger
			}
			table[code] = append(table[code], step)
		}
	}
	if c.MaxRestarts == nil {
		return table, nil
	}
	total := &exittable.Total{Max: *c.MaxRestarts}
	if ends != (exitcodes.Set{}) {
		total.Then = exittable.Linger
	}
	return table, total
}
