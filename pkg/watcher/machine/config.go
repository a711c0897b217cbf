package machine

import (
	"time"

	"restartrules.dev/pkg/backoff"
)

// Config is what doesn't change in a Pod's life.
type Config struct {
	// Members are the Pod's containers: those of spec.initContainers in order, then those of
	// spec.containers; without the watcher and without excluded ones.
	Members []Member
	// Grace is the time between SIGTERM and SIGKILL when everything is stopped for a restart,
	// TerminationGrace the same when the Pod is ended by a rule.
	Grace, TerminationGrace time.Duration
	// PreStop says that preStop hooks run before SIGTERM, within the grace.
	PreStop bool
	// KillTimeout is how long a process may outlive SIGKILL.
	KillTimeout time.Duration
	// Backoff is the wait before a restart, from the end of the last one on.
	Backoff backoff.Backoff
	// Sandbox has the Pod restarted by ending its sandbox.
	Sandbox bool
}

// Role is what a member does when the Pod starts over.
type Role uint8

const (
	// Regular is a container of spec.containers.
	Regular Role = iota
	// Sidecar is an init container with restartPolicy Always.
	Sidecar
	// Init is an init container that runs to completion. Its own container runs once, when the Pod
	// starts; from then on its twin replays it.
	Init
	// Twin replays an init container.
	Twin
)

// Member is one container.
type Member struct {
	Name string
	Role Role
	// Wrapped says that the container has a shim. Only an Init may have none.
	Wrapped bool
	// Twin is, of an Init, the index of its twin; of a Twin that of its init container; -1: none.
	Twin int
	// Script says, of an Init, that the watcher runs a script in its place.
	Script bool
	// Gate says that the container has started only when its startupProbe has passed.
	Gate bool
	// InitList says that the member is in spec.initContainers: of a Twin, that it is a sidecar.
	InitList bool
	// Source says that one of its rules restarts or ends the Pod.
	Source bool
	// Returns says that the kubelet starts the container again when its shim was killed (exit code
	// 137).
	Returns bool
}

// Settle is how long a watcher that was started again waits for the shims it knew.
const Settle = 10 * time.Second

// AnswerTimeout is how long a shim may take beyond the grace to stop its container, before the watcher
// kills what it can itself.
const AnswerTimeout = 5 * time.Second

// RecheckAfter is the pause between two looks for processes that should be gone.
const RecheckAfter = 2 * time.Millisecond

// MissingTimeout is how long a replay waits for a twin that the kubelet should have started.
const MissingTimeout = 5 * time.Minute

// The wait before a script that has failed runs again: the kubelet's for containers.
const (
	scriptDelay    = 10 * time.Second
	maxScriptDelay = 5 * time.Minute
)
