//go:build e2e

package matrix

import (
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
)

// script is a container with a shell script in place of the application. $record is its record.
func script(name string, starts int, text string) container {
	c := c(name, "0")
	c.starts = starts
	c.Command = []string{"sh", "-c", "record=" + recordOf(name) + "\n" + text}
	return c
}

// failsOnce is a probe that fails a single time.
func failsOnce(container string) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c",
			"[ -e " + recordOf(container) + ".probed ] || { touch " + recordOf(container) + ".probed; exit 1; }"}}},
		InitialDelaySeconds: 3, PeriodSeconds: 1, FailureThreshold: 1,
		TimeoutSeconds: 20,
	}
}

func probed(c container) container {
	c.LivenessProbe = failsOnce(c.Name)
	return c
}

// goingOn is a container that runs until it is told to stop, each of this many starts.
func goingOn(name string, starts int) container {
	c := forever(name)
	c.starts = starts
	return c
}

const (
	// started writes a start to a script's record.
	started = `echo '{"event":"start"}' >> $record` + "\n"
	// once does what follows the first time only; the second time the application succeeds.
	once = `[ -e $record.once ] && exec /app -record=$record -run=200ms` + "\n" + `touch $record.once` + "\n"
)

// outsideScenarios are exits for which not the application is to blame, or not it alone, and what is known to
// be different there (docs/limits.md).
func outsideScenarios() []pod {
	const (
		byTheProbe = "a stop from outside is never followed by a restart in place"
		notPID1    = "the command is not PID 1, which a signal of its own can't kill"
	)
	limited := func(c container) container {
		c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("32Mi")}
		return c
	}
	outOfMemory := pod{name: "out of memory, 137", policy: podNever, phase: succeeded,
		regular: containers{limited(script("a", 1, once+"exec tail /dev/zero")).is(never, in(137))}}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		outOfMemory.otherwise = "with cgroup v2 the shim is killed, too"
	}
	return []pod{
		outOfMemory,
		{name: "no such command", policy: podNever, phase: failed, otherwise: "natively it is 128 from the runtime, else 127",
			regular: containers{script("a", 0, "")}, change: func(spec *corev1.PodSpec) {
				container := &spec.Containers[0]
				container.Command, container.RestartPolicy = []string{"no-such-command"}, ptr.To(never)
				container.RestartPolicyRules = []corev1.ContainerRestartRule{in(42)}
			}},
		{name: "kills itself", policy: podNever, phase: failed, otherwise: notPID1,
			regular: containers{script("a", 1, started+"kill -KILL $$$$; exit 3").is(never, in(42))}},
		{name: "kills itself, shared process namespace", policy: podNever, phase: succeeded,
			regular: containers{script("a", 1, once+"kill -KILL $$$$; exit 3").is(never, in(137))},
			change:  func(spec *corev1.PodSpec) { spec.ShareProcessNamespace = ptr.To(true) }},
		{name: "crashes, shared process namespace", policy: podNever, phase: succeeded,
			regular: containers{script("a", 1, once+"kill -SEGV $$$$; exit 3").is(never, in(139))},
			change:  func(spec *corev1.PodSpec) { spec.ShareProcessNamespace = ptr.To(true) }},
		{name: "liveness, Never, rule matches", policy: podNever, phase: running, otherwise: byTheProbe,
			// Not alone: a kubelet of 1.35 that has killed the only container of a Pod forgets the rule.
			regular: containers{probed(goingOn("a", 2)).is(never, in(143)), c("b", "0").running("20s").is(never)}},
		{name: "liveness, Never, no rule matches", policy: podNever, phase: failed,
			regular: containers{probed(goingOn("a", 1)).is(never, in(42))}},
		{name: "liveness, Never under Always", policy: podAlways, phase: failed,
			regular: containers{probed(goingOn("a", 1)).is(never)}},
		{name: "liveness, OnFailure under Never", policy: podNever, phase: running,
			regular: containers{probed(goingOn("a", 2)).is(onFailure)}},
		{name: "liveness, Always under Never", policy: podNever, phase: running,
			regular: containers{probed(goingOn("a", 2)).is(always)}},
		{name: "liveness, next to one that gets one try", policy: podAlways, phase: running, otherwise: byTheProbe,
			regular: containers{probed(goingOn("a", 2)), c("b", "1").is(never)}},
		{name: "liveness of a sidecar", policy: podNever, phase: running,
			init: containers{probed(goingOn("s", 2)).is(always)}, regular: containers{forever("a").is(never, in(42))}},
		{name: "activeDeadlineSeconds", policy: podNever, phase: failed,
			regular: containers{forever("a").is(never, in(143, 137)), c("b", "0").is(never)},
			change:  func(spec *corev1.PodSpec) { spec.ActiveDeadlineSeconds = ptr.To[int64](60) }},
		{name: "postStart fails, Never", policy: podNever, phase: failed,
			regular: containers{postStartFails(goingOn("a", 1)).is(never, in(42))}},
	}
}

func postStartFails(c container) container {
	c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "sleep 2; exit 1"}}}}
	return c
}
