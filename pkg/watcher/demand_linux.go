package watcher

import (
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// pausedReason is the answer to whoever wants a restart of a Pod that is paused.
const pausedReason = "the Pod is paused (annotation " + api.PausedAnnotation + ")"

// demand answers whoever wants the whole Pod restarted.
func (d *pod) demand(c *connection, reason string) {
	member := d.memberOf[c.container]
	switch {
	case d.paused == api.PausedAll:
		c.send(wire.Message{Verb: wire.No, Reason: pausedReason})
		return
	case d.machine == nil || member < 0:
		c.send(wire.Message{Verb: wire.No, Reason: "none of the Pod's rules restarts all containers, so it isn't prepared for that"})
		return
	}
	d.demander = c
	d.step(machine.Demand{Member: member, Reason: reason})
}

// demandOne answers whoever wants this container restarted, and has its shim do it.
func (d *pod) demandOne(c *connection, m wire.Message) {
	s := &d.shims[c.container]
	if why := d.refusal(s, c.container); why != "" {
		c.send(wire.Message{Verb: wire.No, Reason: why})
		return
	}
	// First: who asks may be in this container, in which nothing is left then.
	c.send(wire.Message{Verb: wire.OK})
	reason := m.Reason
	if !s.down { // else it only waits, and its restart has a cause
		s.demanded = &reason
	}
	d.log.Info("restart on demand", "container", s.plan.Name, "reason", reason)
	s.connection.send(wire.Message{Verb: wire.Kill, Grace: max(0, m.Grace)})
}

// refusal says why the container can't be restarted on demand; nothing if it can.
func (d *pod) refusal(s *shim, container int) string {
	member := d.memberOf[container]
	switch {
	case d.paused == api.PausedAll:
		return pausedReason
	case isPaused(d.paused, s.plan.Name):
		return "the container is paused (annotation " + api.PausedAnnotation + ")"
	case s.plan.TwinOf != "":
		return "it only replays init container " + s.plan.TwinOf + ": restart the whole Pod"
	case d.volume.deleting() || d.machine != nil && d.state.Phase == machine.Terminating:
		return "the Pod is being deleted"
	case d.machine != nil && member >= 0 && d.state.Restarting():
		return "the whole Pod is being restarted"
	case d.machine != nil && member >= 0 && d.state.Phase != machine.Running:
		return "the Pod is ending"
	case s.connection == nil:
		return "its command is not running, or its shim not connected yet"
	case s.over || s.reported && s.state.Is == wire.IsEnded:
		return "its command has ended for good"
	case s.reported && s.state.Is != wire.IsRunning && s.state.Is != wire.IsBackoff:
		return "its command is not running"
	}
	return ""
}
