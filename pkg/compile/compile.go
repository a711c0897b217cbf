// Package compile finds the least invasive way to have a Pod's rules carried out: native fields
// where the cluster acts on them, else a Pod-level restartPolicy that the kubelet follows, and the
// containers that need a shim besides.
package compile

import (
	"slices"

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
	// MaxRestarts is the default for containers that are wrapped; nil: there is none. Sidecars don't
	// have it: they always restart.
	MaxRestarts *int32
	// Probed are containers with a livenessProbe or startupProbe, by name.
	Probed map[string]bool
	// Excluded are containers that a restart of the whole Pod leaves alone, by name.
	Excluded map[string]bool
}

// Result is a Pod-level policy and, for each container in the order given, how it is carried out.
type Result struct {
	Policy corev1.RestartPolicy
	// Why says why Policy isn't the Pod's own; empty if it is.
	Why        string
	Containers []Container
	// WholePod says that rules concern the Pod as a whole, and the cluster doesn't do that itself.
	WholePod bool
}

// Container is the result for one container.
type Container struct {
	Wrapped bool
	// Why is one short sentence for people.
	Why string
	// OnExit is what the shim does; nil if the container is not wrapped.
	OnExit exittable.Ranges
	// Total bounds the shim's restarts; nil: nothing does.
	Total *exittable.Total
	// Lingers are the exit codes after which the container lingers, as text; empty: none.
	Lingers string
	// Policy and Rules are the native fields that the container carries. A sidecar always keeps its
	// policy.
	Policy *corev1.ContainerRestartPolicy
	Rules  []corev1.ContainerRestartRule
	WholePodContainer
}

// Compile finds a result that is exact: for every container and code, kubelet, shim and watcher
// together do what rules.Decide says.
//
// Where the cluster has Restart itself the Pod keeps its policy, and only containers are wrapped
// whose rules say what native fields can't. Elsewhere, of the Pod-level policies that fit, Compile
// takes the one with the fewest wrapped containers; among equals the Pod's own, then Always,
// OnFailure, Never.
func Compile(podPolicy corev1.RestartPolicy, list []rules.Container, opts Options) Result {
	list = slices.Clone(list) // MaxRestarts may be set
	all, containers := make([]container, len(list)), make([]*container, len(list))
	for i := range list {
		all[i] = container{Container: &list[i], outcomes: rules.NewOutcomes(podPolicy, &list[i])}
		containers[i] = &all[i]
	}
	wholePod := concernsPod(containers, opts)
	for {
		var result Result
		if opts.Native.Restart {
			result = native(podPolicy, containers, opts)
		} else {
			result = emulate(podPolicy, containers, opts.Survive)
		}
		if limit(containers, result.Containers, opts.MaxRestarts) || !wholePod && watched(containers, result.Containers, opts) {
			continue
		}
		result.WholePod = wholePod
		if wholePod {
			complete(containers, &result, opts)
		}
		for i, c := range containers {
			result.Containers[i].Member = c.watched || result.Containers[i].Member
		}
		return result
	}
}

// limit gives wrapped containers without a limit of their own the default. It returns whether there
// were any: a container that may end after all can change who is wrapped.
func limit(containers []*container, results []Container, most *int32) (changed bool) {
	if most == nil {
		return false
	}
	for i, c := range containers {
		if results[i].Wrapped && c.MaxRestarts == nil && c.Kind != rules.Sidecar {
			c.MaxRestarts, c.InPlace, changed = most, true, true
		}
	}
	return changed
}

// container is one container with all that can come after its exits.
type container struct {
	*rules.Container
	outcomes *rules.Outcomes
	// needed says why the container is wrapped whatever its decisions; empty: it needn't be.
	needed string
	// watched says that the watcher runs its probes, although no rule concerns the Pod.
	watched bool
	// endsAnyhow says that any exit may be its last, because the Pod may be ended.
	endsAnyhow bool
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

// watched has the watcher run the probes of regular containers that restart in place: the kubelet
// would go on as if such a restart had never been. All their restarts are in place then. It returns
// whether there are any more of them. A container that lingers keeps its probes.
func watched(containers []*container, results []Container, opts Options) (changed bool) {
	for i, c := range containers {
		if c.watched || opts.Survive || c.Kind != rules.Regular || !opts.Probed[c.Name] || !results[i].Wrapped || !restartsInPlace(results[i].OnExit) {
			continue
		}
		c.watched, c.InPlace, changed = true, true, true
	}
	return changed
}

func restartsInPlace(table exittable.Ranges) bool {
	for _, codes := range table {
		if slices.ContainsFunc(codes.Entry, func(s exittable.Step) bool { return s.Action == exittable.Restart }) {
			return true
		}
	}
	return false
}

// ends are the exit codes after which the container may end for good where the kubelet, under the
// policy, would restart it.
func (c *container) ends(policy corev1.RestartPolicy) (ends exitcodes.Set) {
	for _, class := range c.outcomes.Classes() {
		if c.mayEnd(class.Chain) && kubeletRestarts(policy, c.Kind, class.Codes.First()) {
			ends = ends.With(class.Codes)
		}
	}
	return ends
}

func (c *container) mayEnd(chain []rules.Decision) bool {
	if c.Kind == rules.Sidecar {
		return false // the kubelet always starts it again, until the Pod is over
	}
	counted := c.MaxRestarts != nil && slices.ContainsFunc(chain, func(d rules.Decision) bool { return d.Action == rules.Restart })
	return c.endsAnyhow || counted || !restarts(chain[len(chain)-1])
}

// beyond are the exit codes after which the container may restart where the kubelet, under the
// policy, would not restart it, or must not.
func (c *container) beyond(policy corev1.RestartPolicy) (beyond exitcodes.Set) {
	for _, class := range c.outcomes.Classes() {
		if restarts(class.Chain[0]) && (c.InPlace || !kubeletRestarts(policy, c.Kind, class.Codes.First())) {
			beyond = beyond.With(class.Codes)
		}
	}
	return beyond
}

// table is what the shim does if the kubelet follows the policy. natively are the codes that native
// rules of the container act on. The codes of a class share their entry.
func (c *container) table(policy corev1.RestartPolicy, natively exitcodes.Set) (exittable.Ranges, *exittable.Total) {
	end := exittable.Step{Action: exittable.End, Rule: exittable.Policy}
	linger := exittable.Step{Action: exittable.Linger, Rule: exittable.Policy}
	ends := c.ends(policy)
	classes := c.outcomes.Classes()
	steps := make([]exittable.Step, 0, 2*len(classes)) // of all entries, one behind the other
	entries := make([]exittable.Entry, 0, 8)           // of each class
	for _, class := range classes {
		code := class.Codes.First()
		begin := len(steps)
		for _, d := range class.Chain {
			step := end
			switch {
			case d.Action == rules.RestartAll && natively.Has(code):
			case d.Action == rules.RestartAll:
				step = exittable.Step{Action: exittable.All, Rule: int16(d.Rule)}
			case d.Action == rules.EndPod:
				step = exittable.Step{Action: exittable.Pod, Rule: int16(d.Rule)}
			case restarts(d) && (c.InPlace || !kubeletRestarts(policy, c.Kind, code)):
				step = exittable.Step{Action: exittable.Restart, Rule: int16(d.Rule)}
				if l := c.Limit(d.Rule); d.Action == rules.Restart && l.MaxRestarts > 0 {
					step.Max, step.Within = l.MaxRestarts, l.Within
				}
			case !restarts(d) && ends.Has(code):
				step = linger
			}
			steps = append(steps, step)
		}
		entries = append(entries, slices.Clip(steps[begin:]))
	}
	table := make(exittable.Ranges, 0, 4)
	for code := 0; code < exitcodes.Count; {
		i := slices.IndexFunc(classes, func(class rules.Class) bool { return class.Codes.Has(code) })
		last := classes[i].Codes.RunEnd(code)
		table = table.Append(last, entries[i])
		code = last + 1
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
