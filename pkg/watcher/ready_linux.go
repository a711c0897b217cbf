package watcher

import (
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// unready says why the Pod is not ready; empty: every container runs that has run before. What the
// kubelet has not started yet it knows itself.
func (d *pod) unready() string {
	if d.machine != nil && d.state.Phase != machine.Running {
		return "the Pod is in phase " + d.state.Phase.String() + " of a restart of all containers"
	}
	for i := range d.shims {
		s := &d.shims[i]
		if s.plan.TwinOf != "" || s.connection == nil || s.plan.Kind == plan.KindInitContainer && !s.plan.Sidecar {
			continue
		}
		switch {
		case s.down, s.reported && s.state.Is != wire.IsRunning && s.state.Is != wire.IsNew:
			return "container " + s.plan.Name + " does not run"
		case s.worker != nil && s.worker.Up() && !s.worker.Passed():
			return "the startupProbe of container " + s.plan.Name + " has not passed"
		}
	}
	return ""
}
