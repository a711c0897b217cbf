package probe

import (
	"fmt"
)

// Kind is which probe of a container it is.
type Kind uint8

// The probes that the watcher runs. Readiness probes stay with the kubelet.
const (
	Startup Kind = iota
	Liveness
)

// String is as the kubelet writes it in its Events: "Startup", "Liveness".
func (k Kind) String() string {
	if k == Startup {
		return "Startup"
	}
	return "Liveness"
}

// Outcome is how one run of a probe ended.
type Outcome uint8

// The outcomes. As text they are success, failure and unknown.
const (
	// Unknown: the probe could not be run, which says nothing of the container. It doesn't count.
	Unknown Outcome = iota
	Success
	Failure
)

var outcomes = [...]string{Unknown: "unknown", Success: "success", Failure: "failure"}

// String is the outcome as text.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return outcomes[Unknown]
}

// MarshalText is the outcome as text.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomes {
		if string(text) == name {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("outcome %q: expected success, failure or unknown", text)
}

// Exec is the outcome of a command: of its exit code, -1 if it could not be run, and whether it was
// killed because it took too long (upstream: pkg/probe/exec/exec.go).
func Exec(code int, timedOut bool) Outcome {
	switch {
	case timedOut:
		return Failure
	case code == 0:
		return Success
	case code < 0:
		return Unknown
	default:
		return Failure
	}
}
