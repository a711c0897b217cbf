// Package exittable is the part of a container's restart rules that its shim carries with it: for
// every exit code, what to do. It is linked into the binary that runs in every container, so it
// imports next to nothing.
package exittable

import (
	"slices"
	"time"
)

// Action is what a shim does when its command has ended.
type Action uint8

const (
	// End lets the container end with the command's exit code: for good, or because the kubelet
	// restarts it under the Pod's policy.
	End Action = iota
	// Restart starts the command again in place.
	Restart
	// Linger ends the command for good, but not the container, which the kubelet would start again:
	// it stays until it is told to stop, and ends with the command's exit code then.
	Linger
	// All asks for a restart of the whole Pod (RestartAllContainers).
	All
	// Pod asks for the end of the whole Pod (TerminatePod).
	Pod
)

// Policy is the Rule of a step that no rule but a restartPolicy decided.
const Policy = -1

// Codes is how many exit codes there are: 0..255, death by signal n being 128+n.
const Codes = 256

// Step is one decision.
type Step struct {
	Action Action
	// Rule is the index in restartPolicyRules of the rule that decided, or Policy. Only rules decide
	// All and Pod; for End and Linger it is always Policy.
	Rule int16
	// Max is how often a Restart by this rule holds, all exit codes together; then the next step
	// does. 0: there is no limit.
	Max int32
	// Within is the time in which Max is counted; 0: since the shim started.
	Within time.Duration
}

// Entry is what to do after one exit code: the first step that holds. Only the last step, which
// must be there, has no limit.
type Entry []Step

// Table has an entry for every exit code. The zero value is not valid; build tables with Parse or
// from Uniform.
type Table [Codes]Entry

// Uniform is the table that has the same entry for every code.
func Uniform(steps ...Step) *Table {
	t := new(Table)
	for i := range t {
		t[i] = steps
	}
	return t
}

// Total is how often a container restarts at all.
type Total struct {
	Max int32
	// Then is what comes after that many: End or Linger.
	Then Action
}

// Equal reports whether both say the same.
func (e Entry) Equal(other Entry) bool { return slices.Equal(e, other) }
