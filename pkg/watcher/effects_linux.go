package watcher

import (
	"os"
	"strconv"
	"syscall"

	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// step has the machine take an event, and carries out what follows.
func (d *pod) step(e machine.Event) {
	if d.machine == nil {
		return
	}
	for e != nil {
		var effects []machine.Effect
		d.state, effects = machine.Step(d.machine, d.state, e, wire.Now())
		e = nil
		for _, effect := range effects {
			if answer := d.carryOut(effect); answer != nil {
				e = answer
			}
		}
	}
}

// carryOut does one thing, and returns the event that answers it, if that comes at once.
func (d *pod) carryOut(effect machine.Effect) machine.Event {
	switch e := effect.(type) {
	case machine.Write:
		if err := d.journal.Write(&d.state.Record, wire.Now()); err != nil {
			d.later = append(d.later, func() {
				d.log.Error("a restart that is under way is not resumed if the watcher is killed", "error", err)
			})
		}
	case machine.Send:
		d.send(e)
	case machine.Check:
		return machine.Checked{Gen: e.Gen, Left: d.left()}
	case machine.Escalate:
		d.escalate(e.Member)
	case machine.RunScript:
		d.begin(e)
	case machine.EndSandbox:
		d.endSandbox()
	case machine.Answer:
		d.answer(e)
	default:
		d.tell(effect)
	}
	return nil
}

func (d *pod) send(e machine.Send) {
	at := d.shimOf[e.Member]
	if at < 0 || d.shims[at].connection == nil {
		return
	}
	m := wire.Message{Gen: e.Gen}
	switch e.Verb {
	case machine.Run:
		m.Verb = wire.Run
	case machine.Stop:
		m.Verb, m.Grace, m.PreStop = wire.Stop, int(e.Grace.Milliseconds()), e.PreStop
	case machine.EndShim:
		m.Verb, m.Code = wire.End, e.Code
	case machine.Leave:
		m.Verb = wire.Leave
	}
	d.shims[at].connection.send(m)
}

// left looks for a process of a stopped container that is still there. Without a shared process
// namespace nothing is seen, and the shims' word has to do.
func (d *pod) left() string {
	cgroups := make([][]byte, len(d.shims))
	known := []int{os.Getppid()}
	for i := range d.shims {
		if d.memberOf[i] >= 0 {
			cgroups[i] = d.shims[i].cgroup
		}
		if pid := d.shims[i].pid; pid != 0 {
			known = append(known, pid)
		}
	}
	left := ""
	err := d.processes.of(cgroups, known, func(pid, i int) bool {
		_, name := d.processes.stat(pid)
		left = "process " + strconv.Itoa(pid) + " (" + name + ")"
		if i < 0 {
			return false
		}
		left += " of container " + d.volume.Containers[i]
		d.reports.outlived(d.volume.Containers[i], pid, name)
		_ = syscall.Kill(pid, syscall.SIGKILL) // if it is allowed; its shim has tried
		return false
	})
	if err != nil {
		return "can't look for processes: " + err.Error() // who is not seen may be there
	}
	return left
}

// escalate kills the processes of a container whose shim doesn't answer, and at last the shim: then
// it is up to the kubelet.
func (d *pod) escalate(member int) {
	at := d.shimOf[member]
	s := &d.shims[at]
	d.log.Warn("the shim doesn't answer, its container is killed", "container", d.volume.Containers[at], "pid", s.pid)
	err := d.processes.of([][]byte{s.cgroup}, nil, func(pid, i int) bool {
		if i < 0 {
			return true
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			d.log.Error("can't kill", "container", d.volume.Containers[at], "pid", pid, "error", err)
		}
		return true
	})
	if err != nil {
		d.log.Error("can't look for the container's processes", "error", err)
	}
}

// endSandbox ends the process that holds the Pod's namespaces, whose end is the end of all.
func (d *pod) endSandbox() {
	if !sharedProcessNamespace() {
		d.log.Error("the sandbox can't be ended: the Pod has no shared process namespace")
		return
	}
	if err := syscall.Kill(1, syscall.SIGTERM); err != nil {
		d.log.Error("the sandbox can't be ended", "error", err)
	}
}

func (d *pod) answer(e machine.Answer) {
	if d.demander == nil {
		return
	}
	if e.Refused == "" {
		d.demander.send(wire.Message{Verb: wire.OK})
	} else {
		d.demander.send(wire.Message{Verb: wire.No, Reason: e.Refused})
	}
	d.demander = nil
}
