package watcher

import (
	"time"

	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// report logs an exit or a start.
func (d *pod) report(s *shim, m wire.Message) {
	log := d.log.With("container", s.plan.Name)
	switch m.Verb {
	case wire.Exited:
		s.exit = m
		if m.Action != wire.ActionRestart || m.Rule >= 0 {
			s.demanded = nil // it ended by itself before
		}
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
		cause := causeOf(s, m)
		d.reports.started(s, m, cause)
		if cause == nil {
			log.Info("started", "attempt", m.Attempt, "pid", m.PID)
			break
		}
		s.demanded = nil
		if cause.ExitCode == nil {
			log = log.With("reason", cause.Reason)
		}
		log.Info("restarted in place", "attempt", m.Attempt, "pid", m.PID, "micros", m.Micros,
			"lastExitCode", s.exit.Code, "rule", s.exit.Rule)
		cause.Time = time.Now()
		d.remember(cause)
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
	d.later = append(d.later, func() { say(); d.reports.tell(effect, &record, source); d.chronicle(effect, &record, source) })
}
