package machine

import (
	"slices"
	"time"
)

// Phase is where the Pod is.
type Phase uint8

const (
	// Running: containers run, start for the first time, or restart by themselves.
	Running Phase = iota
	// Stopping: everything is being stopped.
	Stopping
	// BackingOff: everything is stopped and waits.
	BackingOff
	// Replaying: init containers run again, sidecars start, one after the other.
	Replaying
	// Starting: the regular containers are being started.
	Starting
	// Ending: every container is to end with its own exit code.
	Ending
	// Failing: something that can't be done has ended the Pod.
	Failing
	// Sandbox: the sandbox is being ended; the kubelet builds a new one.
	Sandbox
	// Terminating: the Pod is being deleted. Nothing starts any more.
	Terminating
)

var phaseNames = [...]string{"Running", "Stopping", "BackingOff", "Replaying", "Starting", "Ending", "Failing", "Sandbox", "Terminating"}

func (p Phase) String() string { return phaseNames[p] }

// Then is what Stopping is for.
type Then uint8

const (
	// Restart starts everything again.
	Restart Then = iota
	// End ends the Pod by the action TerminatePod.
	End
	// Fail ends the Pod because it can't be restarted; Record.Why says why.
	Fail
)

// Record is what has to survive the watcher, and is journaled.
type Record struct {
	Phase Phase
	// Gen counts the restarts of the whole Pod.
	Gen int
	// Source is the member whose exit, or whose demand, began the restart; -1: none was. Code and
	// Rule are its exit code and the index of the rule that matched; a demand has code -1.
	Source, Code, Rule int
	Then               Then
	// Why is the reason of a demand or of a failure, for people.
	Why string
	// Step is the index of the member that Replaying has come to.
	Step int
	// Began is when the restart began, Due when BackingOff ends, Finished when the last restart was
	// over: on the clock of wire.Now.
	Began, Due, Finished int64
	// Delay is the wait that the next restart will have, if the Pod doesn't run long before.
	Delay   time.Duration
	Members []Memory
}

// Memory is what has to survive the watcher of a member.
type Memory struct {
	// Seen says whether its shim was ever there, Alive whether it was there last.
	Seen, Alive bool
	// Over says that it has ended for good, with Code, since the Pod last started over; Released that
	// its shim was told to end, too.
	Over, Released bool
	Code           uint8
}

// Is is what a shim says of itself; the values are those of package wire.
type Is uint8

// The states of a shim, see docs/architecture.md.
const (
	Nothing Is = iota // no report yet
	New
	Runs
	Backs
	Asks
	Ended
	Stops
	Parked
	Stuck
)

// Presence is whether a member's shim is there.
type Presence uint8

const (
	// Absent: not there, or not any more.
	Absent Presence = iota
	// Expected: it was there before the watcher was started again.
	Expected
	// Present: it is connected.
	Present
)

// Shim is what is known of a member's shim. It is not journaled: shims report it again.
type Shim struct {
	Presence Presence
	Is       Is
	Gen      int
	Code     int
	Rule     int
	// EndPod says, with Asks, that the rule's action is TerminatePod.
	EndPod bool
	// Started says that the startupProbe has passed since the command was last started.
	Started bool
	// Process names what is stuck.
	Process string

	// told is the last command sent on this connection.
	told command
	// stopAt is when it was told to stop, and escalated whether the watcher has killed it since.
	stopAt    int64
	escalated bool
}

type command struct {
	verb Verb
	gen  int
}

// State is the whole state. Make it with NewState.
type State struct {
	Record
	Shims []Shim
	// checking says that a look for left processes is under way, checkAt when the next is due.
	checking bool
	checkAt  int64
	// settleAt is when shims that are Expected count as Absent.
	settleAt int64
	// missingAt is when Replaying gives up waiting for a twin that was never there; 0: it doesn't wait.
	missingAt int64
	// script is how far the script of the current Step is.
	script     scriptState
	scriptCode int
	// scriptAt is when a script that has failed runs again, after scriptDelay.
	scriptAt    int64
	scriptDelay time.Duration
	// sandboxEnded says that the effect EndSandbox was given.
	sandboxEnded bool
}

type scriptState uint8

const (
	scriptNone scriptState = iota
	scriptRuns
	scriptEnded
)

// NewState is the state of a watcher that starts at now. record is from the journal, or nil.
func NewState(c *Config, record *Record, now int64) State {
	n := len(c.Members)
	s := State{Record: Record{Source: -1, Members: make([]Memory, n)}, Shims: make([]Shim, n)}
	if record != nil {
		s.Record = *record
		s.settleAt = now + int64(Settle)
		for i := range s.Members {
			if s.Members[i].Alive {
				s.Shims[i].Presence = Expected
			}
		}
	}
	return s.clone()
}

func (s *State) clone() State {
	c := *s
	c.Shims = slices.Clone(s.Shims)
	c.Members = slices.Clone(s.Members)
	return c
}

// Restarting reports whether a restart of the whole Pod is under way.
func (s *State) Restarting() bool { return s.Phase >= Stopping && s.Phase <= Starting }

// Wake is when the machine wants a Tick; 0: never.
func (s *State) Wake(c *Config) int64 {
	var at int64
	want := func(t int64) {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	switch s.Phase {
	case BackingOff:
		want(s.Due)
	case Replaying:
		want(s.missingAt)
		want(s.scriptAt)
	case Stopping:
		want(s.checkAt)
		for i := range s.Shims {
			if m := &s.Shims[i]; m.Presence == Present && m.Is != Parked && m.stopAt != 0 && !m.escalated {
				want(m.stopAt + int64(s.grace(c)+AnswerTimeout))
			}
		}
	}
	for i := range s.Shims {
		if s.Shims[i].Presence == Expected {
			want(s.settleAt)
			break
		}
	}
	return at
}

func (s *State) grace(c *Config) time.Duration {
	if s.Then == End {
		return c.TerminationGrace
	}
	return c.Grace
}
