package watcher

import (
	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// report logs an exit or a start.
func (d *pod) report(s *shim, m wire.Message) {
	log := d.log.With("container", s.plan.Name)
	switch m.Verb {
	case wire.Exited:
		s.exit = m
		d.reports.exited(s, m)
		switch m.Action {
		case wire.ActionRestart:
			log.Info("exited", "attempt", m.Attempt, "exitCode", m.Code, "action", "Restart", "rule", m.Rule, "waitMicros", m.Wait)
		case wire.ActionAll:
			log.Info("exited", "attempt", m.Attempt, "exitCode", m.Code, "action", "RestartAllContainers", "rule", m.Rule)
		case wire.ActionPod:
			log.Info("exited", "attempt", m.Attempt, "exitCode", m.Code, "action", "TerminatePod", "rule", m.Rule)
		default:
			log.Info("ended", "attempt", m.Attempt, "exitCode", m.Code)
		}
	case wire.Started:
		d.reports.started(s, m)
		if s.exit.Action == wire.ActionRestart && s.exit.Attempt+1 == m.Attempt {
			log.Info("restarted in place", "attempt", m.Attempt, "pid", m.PID, "micros", m.Micros,
				"lastExitCode", s.exit.Code, "rule", s.exit.Rule)
		} else {
			log.Info("started", "attempt", m.Attempt, "pid", m.PID)
		}
	}
}

// tell logs what the machine tells people.
func (d *pod) tell(effect machine.Effect) {
	record := d.state.Record
	source := ""
	if record.Source >= 0 {
		source = d.machine.Members[record.Source].Name
	}
	var say func()
	switch e := effect.(type) {
	case machine.Began:
		action := "RestartAllContainers"
		if record.Then == machine.End {
			action = "TerminatePod"
		}
		say = func() {
			d.log.Info("restart of the Pod begins", "restart", record.Gen, "action", action, "source", source, "exitCode", record.Code,
				"rule", record.Rule, "reason", record.Why, "waitMicros", e.Wait.Microseconds())
		}
	case machine.Finished:
		say = func() {
			d.log.Info("restarted all containers in place", "restart", record.Gen, "source", source, "exitCode", record.Code,
				"rule", record.Rule, "micros", e.Took.Microseconds())
		}
	case machine.Failed:
		say = func() {
			d.log.Error("the Pod fails", "restart", record.Gen, "source", source, "exitCode", record.Code, "reason", e.Why)
		}
	default:
		return
	}
	d.later = append(d.later, func() { say(); d.reports.tell(effect, &record, source) })
}
