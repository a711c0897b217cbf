package compile

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exitcodes"
	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/rules"
)

// WholePodContainer is what a container is in a Pod that is restarted as a whole.
type WholePodContainer struct {
	// Member says that the watcher starts and ends its command: it takes part, or only its probes are
	// run by the watcher.
	Member bool
	// Source says that an exit of it can restart or end the Pod.
	Source bool
	// Replay is what the shim of its twin does, if it is an init container that takes part.
	Replay exittable.Ranges
	// SidecarTwin says that the twin must be a sidecar, because it can be needed before the regular
	// containers run.
	SidecarTwin bool
	// TwinPolicy is the native restartPolicy of a twin that is a regular container; nil: it needs none.
	TwinPolicy *corev1.ContainerRestartPolicy
}

// concernsPod reports whether a rule concerns the Pod as a whole, where the cluster does not do that
// itself. Then it marks the containers that need a shim for that: all but excluded ones and init
// containers, and also the latter if one of the containers beside them can be the source.
func concernsPod(containers []*container, opts Options) bool {
	wholePod, ends, initSource := false, false, false
	for _, c := range containers {
		if c.Policy == nil {
			continue
		}
		for _, rule := range c.Rules {
			if !rules.IsPodWide(rule.Action) {
				continue
			}
			ends = ends || rule.Action == rules.ActionTerminatePod
			wholePod = wholePod || rule.Action == rules.ActionTerminatePod || !opts.Native.RestartAll
			initSource = initSource || c.Kind != rules.Regular
		}
	}
	if !wholePod {
		return false
	}
	for _, c := range containers {
		if opts.Excluded[c.Name] {
			continue
		}
		c.endsAnyhow = ends
		switch {
		case c.isSource():
			c.needed = "one of its rules concerns the whole Pod"
		case c.Kind != rules.Init:
			c.needed = "it restarts with the whole Pod"
		case initSource:
			c.needed = "the whole Pod can restart while it runs"
		default:
			continue
		}
		c.InPlace = true
	}
	return true
}

// isSource reports whether an exit can restart or end the Pod.
func (c *container) isSource() bool {
	for _, class := range c.outcomes.Classes() {
		if slices.ContainsFunc(class.Chain, func(d rules.Decision) bool { return d.Action == rules.RestartAll || d.Action == rules.EndPod }) {
			return true
		}
	}
	return false
}

// complete says of each container of a Pod that is restarted as a whole what it is then.
func complete(containers []*container, result *Result, opts Options) {
	for i, c := range containers {
		if opts.Excluded[c.Name] {
			continue
		}
		r := &result.Containers[i]
		r.Member, r.Source = r.Wrapped, c.isSource()
		if c.Kind != rules.Init {
			continue
		}
		r.Replay = c.replay()
		r.SidecarTwin = earlySource(containers, i)
		if opts.Native.Restart {
			r.TwinPolicy = c.twinPolicy(result.Policy)
		}
	}
}

// replay is the table of the twin: no restart is left to the kubelet, for which the twin is another
// kind of container.
func (c *container) replay() exittable.Ranges {
	alone := *c.Container
	alone.InPlace = true
	twin := container{Container: &alone, outcomes: c.outcomes}
	table, _ := twin.table(corev1.RestartPolicyNever, exitcodes.Set{})
	return table
}

// twinPolicy is the native policy under which the kubelet starts a twin again only if it may: it ends
// when the Pod is over, and if its init container has failed for good.
func (c *container) twinPolicy(podPolicy corev1.RestartPolicy) *corev1.ContainerRestartPolicy {
	policy := corev1.ContainerRestartPolicyOnFailure
	if !c.ends(corev1.RestartPolicyOnFailure).Empty() {
		policy = corev1.ContainerRestartPolicyNever
	}
	if corev1.RestartPolicy(policy) == podPolicy {
		return nil
	}
	return &policy
}

// earlySource reports whether a source can make the init container at that index run again while no
// regular container runs yet: one that comes later, or one from before, while something still comes
// between.
func earlySource(containers []*container, index int) bool {
	last := index
	for i, c := range containers {
		if c.Kind != rules.Regular {
			last = max(last, i)
		}
	}
	for i, c := range containers {
		if c.Kind != rules.Regular && i != index && c.isSource() && (i > index || last > index) {
			return true
		}
	}
	return false
}
