package plan

import (
	"encoding/json"
	"fmt"
)

// StrategySandbox has the Pod restarted by ending its sandbox: the kubelet builds a new one.
const StrategySandbox = "sandbox"

// RestartAll is how the Pod as a whole is restarted, or ended.
type RestartAll struct {
	// GracePeriodSeconds is the time between SIGTERM and SIGKILL; nil: 2, as in the kubelet.
	GracePeriodSeconds *int64 `json:"gracePeriodSeconds,omitempty"`
	// PreStop says that preStop hooks run first, within the grace period.
	PreStop bool `json:"preStop,omitempty"`
	// Backoff is initial/max/reset, as the shim's flag; "none"; or empty for 10s/5m/10m.
	Backoff string `json:"backoff,omitempty"`
	// KillTimeoutSeconds is how long a process may outlive SIGKILL; 0: 60.
	KillTimeoutSeconds int64 `json:"killTimeoutSeconds,omitempty"`
	// Strategy is empty (in place) or StrategySandbox.
	Strategy string `json:"strategy,omitempty"`
	// TerminationGracePeriodSeconds is the Pod's, for the action TerminatePod.
	TerminationGracePeriodSeconds int64 `json:"terminationGracePeriodSeconds"`
}

// Role is what a container is in a restart of the whole Pod. Without RestartAll in the plan it has
// the field Sidecar only.
type Role struct {
	// Sidecar says that it is an init container with restartPolicy Always.
	Sidecar bool `json:"sidecar,omitempty"`
	// Excluded containers go on while the Pod restarts; an init container is not run again.
	Excluded bool `json:"excluded,omitempty"`
	// Source says that an exit of it can restart or end the Pod.
	Source bool `json:"source,omitempty"`
	// Twin is the container that replays this init container, TwinOf the other way round. Twins have
	// entries of their own.
	Twin   string `json:"twin,omitempty"`
	TwinOf string `json:"twinOf,omitempty"`
	// InitScript is the file that the watcher runs in place of this init container.
	InitScript string `json:"initScript,omitempty"`
}

// Handlers are what the kubelet was relieved of: it knows nothing of a restart in place. They are
// JSON as in the Pod, with the API server's defaults, ports being numbers.
type Handlers struct {
	// Liveness and Startup are Probes.
	Liveness json.RawMessage `json:"liveness,omitempty"`
	Startup  json.RawMessage `json:"startup,omitempty"`
	// PostStart and PreStop are LifecycleHandlers: hooks that run again, or before, a restart of the
	// whole Pod. The kubelet runs them, too, when it starts and stops the container itself.
	PostStart json.RawMessage `json:"postStart,omitempty"`
	PreStop   json.RawMessage `json:"preStop,omitempty"`
	// RestartPolicy is the one in force for the container: its own or the Pod's. Where Always or
	// OnFailure is, a failed probe restarts the container whatever its exit code; where Never is, the
	// exit code is judged as any. Set if there is a probe.
	RestartPolicy string `json:"restartPolicy,omitempty"`
	// TerminationGracePeriodSeconds are the Pod's, for a container that is killed by a probe without
	// one of its own. Set if there is a probe.
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// checkTwins wants twins and their init containers to know each other.
func (p *Plan) checkTwins() error {
	for i, c := range p.Containers {
		other, back := c.Twin, func(c *Container) string { return c.TwinOf }
		if c.TwinOf != "" {
			other, back = c.TwinOf, func(c *Container) string { return c.Twin }
		}
		if other == "" {
			continue
		}
		if o := p.Container(other); o == nil || back(o) != c.Name {
			return fmt.Errorf("plan: containers[%d] %q: container %q is not its counterpart", i, c.Name, other)
		}
	}
	return nil
}
