package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Version is the version of Status and Report that this code writes, and the highest that it reads.
const Version = 1

// Bounds of a Status.
const (
	// MaxRecent is how many restarts a Status remembers.
	MaxRecent = 10
	// MaxText is the longest text for people in it, in bytes.
	MaxText = 256
	// MaxBytes is the longest Report, in bytes of its JSON, that is taken.
	MaxBytes = 32 << 10
)

// Path is where the webhook takes reports, by POST.
const Path = "/report"

// Protocol is what reporters offer beside http/1.1 when they connect (ALPN), so that the webhook knows them before it has
// done anything for them. It is never chosen.
const Protocol = "restartrules-report"

// Actions of a Restart, as the API names them.
const (
	ActionRestart    = "Restart"
	ActionRestartAll = "RestartAllContainers"
	ActionTerminate  = "TerminatePod"
)

// NoRule is Restart.Rule where no rule decided, but the restartPolicy or a demand.
const NoRule = -1

// Status is what has become of a Pod: the content of the annotation restartrules.dev/status.
type Status struct {
	Version int `json:"version"`
	// Phase is Running, or the phase of a restart of the whole Pod (docs/architecture.md, "The machine").
	Phase string `json:"phase"`
	// Paused is the Pod's annotation restartrules.dev/paused as it has reached its shims: "true" or names of containers
	// of which no rule acts.
	Paused string `json:"paused,omitempty"`
	// ObservedAt is when anything of this last changed.
	ObservedAt time.Time `json:"observedAt"`
	// Restarts counts restarts in place by container; what the kubelet restarts is not among them.
	Restarts map[string]int `json:"restarts"`
	// Last is the last restart that is over.
	Last *Restart `json:"last,omitempty"`
	// Next is the next restart that waits for its back-off.
	Next *Next `json:"next,omitempty"`
	// Recent are the last restarts, the newest last, also one that is under way.
	Recent []Restart `json:"recent,omitempty"`
	// Failed says why the Pod was given up.
	Failed *Failure `json:"failed,omitempty"`
	// Stuck is a process that outlives SIGKILL, and because of which the Pod was given up.
	Stuck *Stuck `json:"stuck,omitempty"`
}

// Restart is one restart of a container, or of the whole Pod.
type Restart struct {
	// ID counts what there is to tell of a Pod, from 1; Failure's are from the same count.
	ID int `json:"id"`
	// Container is the one that exited, or that asked for it.
	Container string `json:"container"`
	// ExitCode is its exit code; nil: it was asked for, not caused by an exit.
	ExitCode *int `json:"exitCode,omitempty"`
	// Rule is the index in restartPolicyRules, or NoRule.
	Rule   int    `json:"rule"`
	Action string `json:"action"`
	// Reason is what was given as the reason where it was asked for.
	Reason string    `json:"reason,omitempty"`
	Time   time.Time `json:"time"`
	// DurationMicros is the time from the exit until everything ran again, without back-off; 0: it is not
	// over, or ended the Pod.
	DurationMicros int64 `json:"durationMicros,omitempty"`
}

// Next is a restart to come.
type Next struct {
	Container string    `json:"container"`
	At        time.Time `json:"at"`
	// Attempt is what the start will be, counted from 1: the container's, or of the whole Pod the restart's.
	Attempt int `json:"attempt"`
	// Max is how often it may be restarted; 0: there is no limit.
	Max int `json:"max,omitempty"`
}

// Failure says why the Pod was given up.
type Failure struct {
	ID      int       `json:"id"`
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
}

// Stuck is a process that can't be killed.
type Stuck struct {
	Container string `json:"container"`
	// PID is the process in the container's process namespace.
	PID  int    `json:"pid"`
	Name string `json:"name"`
}

// Pod says which Pod.
type Pod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

// Report is what is sent to the webhook: everything that is known. Of two the one observed later counts.
type Report struct {
	Version int `json:"version"`
	Pod     Pod `json:"pod"`
	// WholePod says that the Pod has rules that restart all its containers, so that the condition
	// AllContainersRestarting is of it.
	WholePod bool `json:"wholePod,omitempty"`
	// Restarting says that a restart of the whole Pod is under way, Since when that, or its absence, began.
	Restarting bool      `json:"restarting,omitempty"`
	Since      time.Time `json:"since"`
	// Told is the highest ID that the webhook is known to have been told.
	Told   int    `json:"told,omitempty"`
	Status Status `json:"status"`
}

// VersionError says that a report is of a version that this code doesn't read.
type VersionError struct{ Version int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("report: has version %d, this release reads versions 1 to %d", e.Version, Version)
}

// Decode reads a Report. Keys that it doesn't know are passed over. The error says what is wrong with the
// text; it is a *VersionError if the version is.
func Decode(text []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if r.Version < 1 || r.Version > Version {
		return nil, &VersionError{r.Version}
	}
	return r, r.check()
}

func (r *Report) check() error {
	s := &r.Status
	switch {
	case r.Pod.Namespace == "" || r.Pod.Name == "" || r.Pod.UID == "":
		return errors.New("report: pod: namespace, name and uid are required")
	case s.Version != r.Version:
		return fmt.Errorf("report: status.version is %d, expected %d as the report's", s.Version, r.Version)
	case len(s.Recent) > MaxRecent:
		return fmt.Errorf("report: status.recent has %d entries, at most %d are taken", len(s.Recent), MaxRecent)
	case s.ObservedAt.IsZero():
		return errors.New("report: status.observedAt is required")
	}
	last := 0
	for i := range s.Recent {
		switch s.Recent[i].Action {
		case ActionRestart, ActionRestartAll, ActionTerminate:
		default:
			return fmt.Errorf("report: status.recent[%d].action is %.32q: expected %s, %s or %s", i, s.Recent[i].Action, ActionRestart, ActionRestartAll, ActionTerminate)
		}
		if s.Recent[i].ID <= last {
			return fmt.Errorf("report: status.recent[%d].id is %d, expected more than %d", i, s.Recent[i].ID, last)
		}
		last = s.Recent[i].ID
	}
	return nil
}

// Encode is the report as compact JSON.
func (r *Report) Encode() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return text, nil
}

// LastRestartAll is the newest restart of the whole Pod, or nil.
func (s *Status) LastRestartAll() *Restart {
	for i := len(s.Recent) - 1; i >= 0; i-- {
		if s.Recent[i].Action == ActionRestartAll {
			return &s.Recent[i]
		}
	}
	return nil
}

// LastID is the highest ID in it.
func (s *Status) LastID() int {
	id := 0
	if n := len(s.Recent); n > 0 {
		id = s.Recent[n-1].ID
	}
	if s.Failed != nil {
		id = max(id, s.Failed.ID)
	}
	return id
}
