// Package explain says in words what becomes of each container of a Pod after each exit code: what
// happens, who does it, after which wait, and why.
package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/rules"
)

// Pod is the explanation of a Pod, or of the Pods that a template makes.
type Pod struct {
	// Own is the Pod's own restartPolicy, Compiled the one that it is given.
	Own      corev1.RestartPolicy `json:"restartPolicy"`
	Compiled corev1.RestartPolicy `json:"compiledRestartPolicy"`
	// Why says why Compiled isn't Own; empty if it is.
	Why string `json:"why,omitempty"`
	// Phase is the Pod's phase after the exits that were asked for; empty if they don't tell.
	Phase corev1.PodPhase `json:"phase,omitempty"`
	// Containers are init containers, then regular ones, each in the order of the Pod.
	Containers []Container `json:"containers"`
}

// Container is the explanation of a container.
type Container struct {
	Name string `json:"name"`
	// Kind is "regular", "init" or "sidecar".
	Kind string `json:"kind"`
	// Wrapped says that a shim runs in front of the container's command; Why says why, or why not.
	Wrapped bool   `json:"wrapped"`
	Why     string `json:"why"`
	// Twin is the container that runs an init container again when the whole Pod restarts. Excluded
	// says that it is left out of that.
	Twin     string `json:"twin,omitempty"`
	Excluded bool   `json:"excluded,omitempty"`
	// MaxRestarts is how often it restarts at all, always in place; nil: there is no limit.
	MaxRestarts *int32 `json:"maxRestarts,omitempty"`
	// Exits cover the exit codes 0..255, ascending; fewer after Pod.Only.
	Exits []Exit `json:"exits"`
}

// Exit is what happens after the exit codes From..To: the first step that holds. All but the last
// have a limit.
type Exit struct {
	From  int    `json:"from"`
	To    int    `json:"to"`
	Steps []Step `json:"steps"`
}

// What happens after an exit.
const (
	// RestartInPlace starts the command again in its container.
	RestartInPlace = "RestartInPlace"
	// RestartContainer starts a new container in place of the old one.
	RestartContainer = "RestartContainer"
	// RestartAllContainers starts all containers of the Pod again.
	RestartAllContainers = "RestartAllContainers"
	// TerminatePod ends all containers of the Pod for good.
	TerminatePod = "TerminatePod"
	// Complete ends the container for good, as a success.
	Complete = "Complete"
	// Fail ends the container for good, as a failure.
	Fail = "Fail"
	// Linger ends the command for good; the container stays until the Pod is deleted.
	Linger = "Linger"
)

// Who does it.
const (
	Shim    = "shim"
	Watcher = "watcher"
	Kubelet = "kubelet"
)

// Step is one thing that may happen.
type Step struct {
	// Action is one of the constants above, Text the same for people.
	Action string `json:"action"`
	Text   string `json:"text"`
	// By is Shim, Watcher or Kubelet.
	By string `json:"by"`
	// Wait is the time between the exit and the next start; empty if there is none.
	Wait string `json:"wait,omitempty"`
	// Why names the rule or the policy that decides.
	Why string `json:"why"`
	// MaxRestarts is how often the step holds, in the time Within, which is a Go duration; 0 and
	// empty: there is no limit.
	MaxRestarts int32  `json:"maxRestarts,omitempty"`
	Within      string `json:"within,omitempty"`
}

// Explain puts into words how a Pod's rules are carried out.
func Explain(c *inject.Compiled) *Pod {
	p := &Pod{Own: c.Own, Compiled: c.Result.Policy, Why: c.Result.Why}
	for i := range c.Containers {
		e := &container{own: c.Own, all: c.RestartAllBackoff, how: "in place", CompiledContainer: &c.Containers[i], result: &c.Result.Containers[i]}
		if c.NewSandbox {
			e.how = "in a new sandbox"
		}
		p.Containers = append(p.Containers, e.explain())
	}
	return p
}

// Only keeps the given exit codes of the given containers, and reports whether there are any.
func (p *Pod) Only(exits map[string][]int) bool {
	p.Containers = slices.DeleteFunc(p.Containers, func(c Container) bool { return exits[c.Name] == nil })
	for i := range p.Containers {
		c := &p.Containers[i]
		var only []Exit
		for _, code := range exits[c.Name] {
			at := slices.IndexFunc(c.Exits, func(e Exit) bool { return e.From <= code && code <= e.To })
			only = append(only, Exit{code, code, c.Exits[at].Steps})
		}
		c.Exits = only
	}
	return len(p.Containers) > 0
}

// container is one container that is being explained.
type container struct {
	*inject.CompiledContainer
	own corev1.RestartPolicy
	// all is the back-off of restarts of the whole Pod, and how says how they are done.
	all    manifest.Backoff
	how    string
	result *compile.Container
}

func (c *container) explain() Container {
	e := Container{Name: c.Rules.Name, Kind: kindOf(c.Rules.Kind), Wrapped: c.result.Wrapped, Why: c.result.Why, Twin: c.Twin, Excluded: c.Excluded}
	if c.result.Total != nil {
		e.MaxRestarts = &c.result.Total.Max
	}
	outcomes := rules.NewOutcomes(c.own, &c.Rules)
	for code := range rules.Codes {
		steps := c.steps(outcomes.After(code), code)
		if last := len(e.Exits) - 1; last >= 0 && slices.Equal(e.Exits[last].Steps, steps) {
			e.Exits[last].To = code
			continue
		}
		e.Exits = append(e.Exits, Exit{code, code, steps})
	}
	return e
}

func kindOf(k rules.Kind) string {
	switch k {
	case rules.Init:
		return "init"
	case rules.Sidecar:
		return "sidecar"
	default:
		return "regular"
	}
}

// steps are the decisions as they are carried out: the exit table of a wrapped container has one
// step for each of them, and what ends there without ending for good the kubelet starts again.
func (c *container) steps(chain []rules.Decision, code int) (steps []Step) {
	for i, d := range chain {
		shim := exittable.End
		if c.result.Wrapped {
			shim = c.result.OnExit.At(code)[i].Action
		}
		s := c.step(d, shim)
		s.Why = c.why(d, i > 0)
		if limit := c.Rules.Limit(d.Rule); d.Action == rules.Restart && limit.MaxRestarts > 0 {
			s.MaxRestarts = limit.MaxRestarts
			s.Text += ", " + times(limit.MaxRestarts)
			if limit.Within > 0 {
				s.Within = limit.Within.String()
				s.Text += " in " + manifest.ShortDuration(limit.Within)
			}
		}
		steps = append(steps, s)
	}
	return steps
}

func (c *container) step(d rules.Decision, shim exittable.Action) Step {
	restarts := d.Action == rules.Restart || d.Action == rules.RestartAll
	switch {
	case shim == exittable.Restart:
		return Step{Action: RestartInPlace, Text: "starts again in place", By: Shim, Wait: wait(c.Backoff)}
	case shim == exittable.All:
		return Step{Action: RestartAllContainers, Text: "all containers of the Pod start again, " + c.how, By: Watcher, Wait: wait(c.all)}
	case shim == exittable.Pod:
		return Step{Action: TerminatePod, Text: "all containers of the Pod are stopped, and the Pod ends", By: Watcher}
	case shim == exittable.Linger:
		return Step{Action: Linger, Text: "has ended for good; the container stays until the Pod is deleted", By: Shim}
	case restarts && d.Action == rules.RestartAll:
		return Step{Action: RestartAllContainers, Text: "all containers of the Pod start again", By: Kubelet}
	case restarts && c.Rules.Kind == rules.Sidecar:
		return Step{Action: RestartContainer, Text: "ends, the kubelet always starts it again", By: Kubelet, Wait: wait(manifest.DefaultBackoff)}
	case restarts:
		return Step{Action: RestartContainer, Text: "ends, the kubelet starts it again", By: Kubelet, Wait: wait(manifest.DefaultBackoff)}
	case d.Action == rules.Complete && c.Rules.Kind == rules.Init:
		return Step{Action: Complete, Text: "is done, the next container starts", By: Kubelet}
	case d.Action == rules.Complete:
		return Step{Action: Complete, Text: "ends for good, succeeded", By: Kubelet}
	case c.Rules.Kind == rules.Init:
		return Step{Action: Fail, Text: "ends for good; the Pod fails with this code", By: Kubelet}
	default:
		return Step{Action: Fail, Text: "ends for good, failed with this code", By: Kubelet}
	}
}

// why names what decided; usedUp says that a rule which matches no longer counts.
func (c *container) why(d rules.Decision, usedUp bool) string {
	switch {
	case d.Rule != rules.ByPolicy:
		return fmt.Sprintf("restartPolicyRules[%d]: %s", d.Rule, rule(&c.Rules.Rules[d.Rule]))
	case c.Rules.Kind == rules.Sidecar:
		return "it is a sidecar"
	case c.Rules.Kind == rules.Init && d.Action == rules.Complete:
		return "init containers run until they succeed"
	}
	by := fmt.Sprintf("the Pod's restartPolicy %s", c.own)
	if c.Rules.Policy != nil {
		by = fmt.Sprintf("its restartPolicy %s", *c.Rules.Policy)
	}
	switch {
	case usedUp:
		by += ", no other rule matches"
	case len(c.Rules.Rules) > 0:
		by += ", no rule matches"
	}
	return by
}

// rule is a rule in short: "Restart In 42,43".
func rule(r *corev1.ContainerRestartRule) string {
	const most = 6
	on := r.ExitCodes
	if on == nil {
		return string(r.Action)
	}
	var values []string
	for i, v := range on.Values {
		if i == most {
			values = append(values, "...")
			break
		}
		values = append(values, strconv.Itoa(int(v)))
	}
	return fmt.Sprintf("%s %s [%s]", r.Action, on.Operator, strings.Join(values, ","))
}

func times(n int32) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// wait is a back-off in words.
func wait(b manifest.Backoff) string {
	if b.None {
		return "0s"
	}
	if b.InitialDelay == b.MaxDelay {
		return "0s, then " + manifest.ShortDuration(b.InitialDelay)
	}
	return fmt.Sprintf("0s, then %s, doubled up to %s", manifest.ShortDuration(b.InitialDelay), manifest.ShortDuration(b.MaxDelay))
}
