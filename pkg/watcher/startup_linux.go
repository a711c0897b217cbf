package watcher

import "restartrules.dev/pkg/wire"

// startup answers the kubelet's copy of a startupProbe: whether the user's has passed.
func (d *pod) startup(c *connection) {
	s := &d.shims[c.container]
	if s.state.Is == wire.IsRunning && (s.worker == nil || s.worker.Passed()) {
		c.send(wire.Message{Verb: wire.OK})
		return
	}
	c.send(wire.Message{Verb: wire.No, Reason: "it has not passed yet"})
}
