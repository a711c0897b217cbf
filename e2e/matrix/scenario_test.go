//go:build e2e

package matrix

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"restartrules.dev/e2e/record"
)

// scenario is a Pod, or a Job, and when to look at it.
type scenario struct {
	name string
	// object makes it for one cluster. Its records go to dir.
	object func(t *testing.T, native bool, dir string) runtime.Object
	phase  corev1.PodPhase
	starts map[string]int // of each container
	// endless are the containers that start again and again. They are looked at up to that start.
	endless []string
	// runOn are the containers that run when all others have ended, unless the Pod is over.
	runOn []string
	// otherwise says why our outcome is known to be another; empty: it must be the same.
	otherwise string
}

// pod is a scenario in the making.
type pod struct {
	name, otherwise string
	policy          corev1.RestartPolicy
	init, regular   []container
	phase           corev1.PodPhase
	change          func(*corev1.PodSpec) // last of all; may be nil
}

// container runs the test application.
type container struct {
	corev1.Container
	runs, exits string
	starts      int
	runsOn      bool
}

// c is a container that ends shortly after each start, with these codes, and starts as often as there are codes.
func c(name, exits string) container {
	return container{
		Container: corev1.Container{Name: name, Image: appImage, ImagePullPolicy: corev1.PullIfNotPresent},
		runs:      "200ms", exits: exits, starts: strings.Count(exits, ",") + 1,
	}
}

// forever is a container that runs until it is told to stop.
func forever(name string) container {
	c := c(name, "0")
	c.runs, c.runsOn = "0", true
	return c
}

// goesOn has it run on after these ends: one start more.
func (c container) goesOn() container {
	c.runs = strings.Repeat(c.runs+",", c.starts) + "0"
	c.starts++
	c.runsOn = true
	return c
}

// running is how long it runs each time.
func (c container) running(duration string) container {
	c.runs = duration
	return c
}

// unstarted is for a container that must not start.
func (c container) unstarted() container {
	c.starts = 0
	return c
}

// is sets the container's own policy and rules.
func (c container) is(policy corev1.ContainerRestartPolicy, rules ...corev1.ContainerRestartRule) container {
	c.RestartPolicy = &policy
	c.RestartPolicyRules = rules
	return c
}

const (
	always    = corev1.ContainerRestartPolicyAlways
	onFailure = corev1.ContainerRestartPolicyOnFailure
	never     = corev1.ContainerRestartPolicyNever
)

// in and notIn are rules with the action Restart.
func in(codes ...int32) corev1.ContainerRestartRule {
	return rule(corev1.ContainerRestartRuleOnExitCodesOpIn, codes)
}

func notIn(codes ...int32) corev1.ContainerRestartRule {
	return rule(corev1.ContainerRestartRuleOnExitCodesOpNotIn, codes)
}

func rule(operator corev1.ContainerRestartRuleOnExitCodesOperator, codes []int32) corev1.ContainerRestartRule {
	return corev1.ContainerRestartRule{
		Action:    corev1.ContainerRestartRuleActionRestart,
		ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: operator, Values: codes},
	}
}

func (p pod) scenario() scenario {
	starts := map[string]int{}
	var runOn []string
	for _, c := range slices.Concat(p.init, p.regular) {
		starts[c.Name] = c.starts
		if c.runsOn {
			runOn = append(runOn, c.Name)
		}
	}
	return scenario{name: p.name, phase: p.phase, starts: starts, runOn: runOn, otherwise: p.otherwise,
		object: func(_ *testing.T, _ bool, dir string) runtime.Object {
			made := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "scenario"},
				Spec: corev1.PodSpec{
					RestartPolicy:                 p.policy,
					TerminationGracePeriodSeconds: ptr.To[int64](5),
					InitContainers:                recording(p.init),
					Containers:                    recording(p.regular),
					Volumes:                       []corev1.Volume{recordsVolume(dir)},
				},
			}
			if p.change != nil {
				p.change(&made.Spec)
			}
			return made
		}}
}

func recording(containers []container) (all []corev1.Container) {
	for _, c := range containers {
		c.VolumeMounts = append(c.VolumeMounts, recordsMount)
		if c.Command == nil {
			c.Command = []string{"/app", "-record=" + recordOf(c.Name), "-run=" + c.runs, "-exit=" + c.exits}
		}
		all = append(all, c.Container)
	}
	return all
}

var recordsMount = corev1.VolumeMount{Name: "records", MountPath: "/records"}

func recordsVolume(dir string) corev1.Volume {
	return corev1.Volume{Name: "records", VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: dir, Type: ptr.To(corev1.HostPathDirectoryOrCreate)}}}
}

// recordOf is the path of a container's record in the container.
func recordOf(container string) string { return filepath.Join(recordsMount.MountPath, container) }

// outcome is what became of a scenario.
type outcome struct {
	phase      corev1.PodPhase
	job        string // its condition and reason
	containers map[string]ran
	ended      bool // as it was expected to
	over       bool // otherwise than expected, which was to be expected
}

// ran is what a container did.
type ran struct {
	starts int
	codes  string // of each end that the application wrote down; "-" for a start without
	status string // what the Pod says of the container in the end: a code, or what it is waiting for
}

func (o outcome) String() string {
	words := []string{cmp.Or(string(o.phase), "no Pod")}
	if o.job != "" {
		words = append(words, o.job)
	}
	for _, name := range slices.Sorted(maps.Keys(o.containers)) {
		c := o.containers[name]
		words = append(words, name+": "+c.String())
	}
	if !o.ended && !o.over {
		words = append(words, "(NOT as expected)")
	}
	return strings.Join(words, "; ")
}

func (r ran) String() string {
	if r.starts == 0 {
		return strings.TrimSuffix("no start "+r.status, " waits")
	}
	return strings.Repeat("▸", r.starts) + " " + r.codes + " " + r.status
}

// ranAs sums up a record. Of a container that starts again and again it is what was until its last start
// that counts, the one of this number; 0: all of it.
func ranAs(events []record.Event, last int) (r ran) {
	var codes []string
	for _, e := range events {
		switch {
		case e.Event == "start":
			codes = append(codes, "-")
		case e.Event == "end" && len(codes) > 0:
			codes[len(codes)-1] = strconv.Itoa(e.Code)
		}
		if last > 0 && len(codes) == last {
			break
		}
	}
	r.starts, r.codes = len(codes), strings.Join(codes, ",")
	return r
}
