// Package wire is what passes between a shim and the watcher: messages over a socket, and marks in
// the container's directory. It is linked into the binary that runs in every container, so it
// imports next to nothing.
package wire

// Version is the version of the messages, which the shim names in its Hello. A shim outlives
// upgrades of the watcher's image by as long as its Pod lives.
const Version = 1

// MaxMessage is the size in bytes that no message exceeds.
const MaxMessage = 512

// SocketName is the watcher's socket in a container's directory.
const SocketName = "sock"

// Verb is what a message says.
type Verb string

// Verbs that a shim sends, in every mode, and OK, which the watcher answers.
const (
	Hello    Verb = "hello"    // Version
	Started  Verb = "started"  // Attempt, PID, Micros
	Exited   Verb = "exited"   // Attempt, Code, Action, Rule, Wait
	Stopping Verb = "stopping" // the container was told to stop from outside
	OK       Verb = "ok"       // the marks are written; the demand is accepted; the startupProbe has passed
)

// Verbs between the watcher and the shims of a Pod that is restarted as a whole.
const (
	// State is the shim's whole state, sent on every change and first of all on every connection:
	// Gen, Is, Attempt, Code, Rule, Action, PID, Micros, Wait, and Name if something is stuck.
	State Verb = "state"
	// Run starts the command, if the shim is New or Parked and Gen is not below its own: Gen.
	Run Verb = "run"
	// Stop stops everything in the container, if Gen is above the shim's: Gen, Grace, PreStop.
	Stop Verb = "stop"
	// End ends a container in which no command runs: Code, -1 for its own.
	End Verb = "end"
	// Leave leaves killing to the container runtime: the Pod is being deleted.
	Leave Verb = "leave"
	// Kill ends the command, as a failed probe does: Grace, Judge, and Attempt if only that one is
	// meant. Without Judge and Attempt it also ends a back-off. Shims obey it in every mode.
	Kill Verb = "kill"
	// Exec runs the command that the shim knows by that name: ID, Name, Timeout.
	Exec Verb = "exec"
	// Execed answers Exec: ID, Code, TimedOut.
	Execed Verb = "execed"
	// Demand asks for a restart of the whole Pod: Reason. The answer is OK or No.
	Demand Verb = "demand"
	// Restart asks, in every mode, for a restart of the container whose socket it comes by: Grace, Reason.
	// The answer is OK or No.
	Restart Verb = "restart"
	// Startup asks whether the container's startupProbe has passed. The answer is OK or No.
	Startup Verb = "startup"
	// No is the other answer: Reason.
	No Verb = "no"
)

var verbs = [...]Verb{State, Run, Stop, Started, Exited, Exec, Execed, End, Leave, Kill, Hello, Stopping, OK, No, Demand, Startup, Restart}

// Is is what a shim says of itself.
type Is string

const (
	// IsNew: nothing was run yet.
	IsNew Is = "new"
	// IsRunning: the command runs.
	IsRunning Is = "running"
	// IsBackoff: the command has ended, and starts again by itself after Wait.
	IsBackoff Is = "backoff"
	// IsAsks: the command has ended, and its exit table asks for something that concerns the Pod.
	IsAsks Is = "asks"
	// IsEnded: the command has ended for good.
	IsEnded Is = "ended"
	// IsStopping: it was told to stop, and something of it still lives.
	IsStopping Is = "stopping"
	// IsParked: it was told to stop, and nothing of it is left.
	IsParked Is = "parked"
	// IsStuck: process PID, called Name, outlives SIGKILL.
	IsStuck Is = "stuck"
)

var conditions = [...]Is{IsNew, IsRunning, IsBackoff, IsAsks, IsEnded, IsStopping, IsParked, IsStuck}

// Action is what follows an exit.
type Action string

const (
	// ActionNone: there was no exit yet.
	ActionNone Action = ""
	// ActionRestart: the command is started again in place.
	ActionRestart Action = "restart"
	// ActionAll: the whole Pod is to be restarted. In Exited with Rule -1: the container was stopped
	// because the watcher said so.
	ActionAll Action = "all"
	// ActionPod: the whole Pod is to end.
	ActionPod Action = "pod"
	// ActionEnd: it was the end.
	ActionEnd Action = "end"
)

var actions = [...]Action{ActionRestart, ActionAll, ActionPod, ActionEnd}

// Names of the commands that Exec can run, as the fields of a container are called.
const (
	ExecLiveness  = "liveness"
	ExecStartup   = "startup"
	ExecPostStart = "postStart"
	ExecPreStop   = "preStop"
)

// Message is one message; which fields count is said beside its Verb.
type Message struct {
	Verb    Verb
	Version int
	// Gen numbers the restarts of the whole Pod; a shim begins with 0.
	Gen int
	Is  Is
	// Attempt counts the starts of the container's command, from 1.
	Attempt int
	PID     int
	// Micros is the time that the start of this attempt took, in microseconds: since the end of the
	// previous one, without back-off and holding, or since the watcher said Run; 0 for a first
	// attempt that nobody had to order.
	Micros int
	// Code is the exit code, 0..255; with End also -1: the container's own; with Execed also -1: it
	// could not be run, or was killed because the container was stopped.
	Code   int
	Action Action
	// Rule is the index in restartPolicyRules of the rule that matched, or -1.
	Rule int
	// Wait is the back-off before the next attempt, in microseconds.
	Wait int
	// Grace is how long the command may take to end after SIGTERM, in milliseconds; 0: SIGKILL at once.
	Grace int
	// PreStop says that the container's preStop command is run first, in the same Grace.
	PreStop bool
	// Judge says that the exit is judged by the exit table, as any; else the command is started again.
	Judge bool
	// ID is a number by which the sender of Exec knows the answer.
	ID int
	// Name is the name of the command to run (Exec), or of the process that is stuck (State).
	Name string
	// Timeout is how long the command may run, in milliseconds; 0: for ever.
	Timeout int
	// TimedOut says that it ran longer and was killed.
	TimedOut bool
	// Reason is for people. A long one is cut.
	Reason string
}
