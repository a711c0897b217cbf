package machine

import "time"

// Event is something that happened.
type Event interface{ event() }

// Report is a shim's report of its state. The first on a connection has Connected.
type Report struct {
	Member    int
	Connected bool
	Is        Is
	Gen       int
	Code      int
	Rule      int
	EndPod    bool
	Process   string
}

// Lost says that a shim's connection is gone, and with it the shim: its end is a local socket's.
type Lost struct{ Member int }

// StartupPassed says that the startupProbe of a member has passed.
type StartupPassed struct{ Member int }

// Demand asks for a restart of the whole Pod, from inside a container.
type Demand struct {
	Member int
	Reason string
}

// Checked is the answer to the effect Check of that restart. Left names the processes that are still
// there, or is empty.
type Checked struct {
	Gen  int
	Left string
}

// ScriptEnded says that the script of an Init, which RunScript asked for, has ended.
type ScriptEnded struct{ Member, Gen, Code int }

// Deleting says that the Pod is being deleted.
type Deleting struct{}

// Tick says that the time State.Wake asked for has come. It is also the first event of a watcher.
type Tick struct{}

func (Report) event()        {}
func (Lost) event()          {}
func (StartupPassed) event() {}
func (Demand) event()        {}
func (Checked) event()       {}
func (ScriptEnded) event()   {}
func (Deleting) event()      {}
func (Tick) event()          {}

// Verb is what a shim is told.
type Verb uint8

// What a shim is told, see docs/architecture.md.
const (
	NoVerb Verb = iota
	Run
	Stop
	EndShim
	Leave
)

// Effect is something to do. Effects are carried out in order.
type Effect interface{ effect() }

// Send tells a shim something.
type Send struct {
	Member  int
	Verb    Verb
	Gen     int
	Grace   time.Duration
	PreStop bool
	// Code is, with EndShim, the exit code; -1: its own.
	Code int
}

// Write journals the State's Record. What comes after it may rely on it.
type Write struct{}

// Check looks for processes of the members that should be gone, and answers with Checked.
type Check struct{ Gen int }

// Escalate kills a member's processes, as far as the watcher may: its shim doesn't answer.
type Escalate struct{ Member int }

// RunScript runs the script of an Init, and answers with ScriptEnded.
type RunScript struct{ Member, Gen int }

// EndSandbox ends the Pod's sandbox.
type EndSandbox struct{}

// Answer answers a Demand. Refused is empty, or says why not.
type Answer struct {
	Member  int
	Refused string
}

// Began, Finished and Failed tell people.
type (
	// Began says that a restart, or an end by TerminatePod, has begun; the Record says which.
	Began struct{ Wait time.Duration }
	// Finished says that the restart is over, and how long it took without its back-off.
	Finished struct{ Took time.Duration }
	// Failed says why the Pod fails.
	Failed struct{ Why string }
)

func (Send) effect()       {}
func (Write) effect()      {}
func (Check) effect()      {}
func (Escalate) effect()   {}
func (RunScript) effect()  {}
func (EndSandbox) effect() {}
func (Answer) effect()     {}
func (Began) effect()      {}
func (Finished) effect()   {}
func (Failed) effect()     {}
