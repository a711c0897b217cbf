package watcher

import (
	"time"

	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/watcher/history"
	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// HistoryName is the file in the volume with the Pod's last restarts.
const HistoryName = "history"

// remember adds an entry to the history.
func (d *pod) remember(e *history.Entry) { d.kept(d.history.Add(e)) }

func (d *pod) kept(err error) {
	if err != nil {
		d.log.Warn("`kubectl restartrules history` will not show what happens now", "error", err)
	}
}

// causeOf is the restart of a container that ends with this start; nil: it was none, or one of the whole Pod.
func causeOf(s *shim, m wire.Message) *report.Restart {
	if s.exit.Action != wire.ActionRestart || s.exit.Attempt+1 != m.Attempt {
		return nil
	}
	cause := &report.Restart{Container: s.plan.Name, Rule: s.exit.Rule, Action: report.ActionRestart,
		DurationMicros: max(int64(m.Micros), 1)}
	if s.plan.TwinOf != "" {
		cause.Container = s.plan.TwinOf
	}
	if s.demanded != nil {
		cause.Reason = *s.demanded
	} else {
		code := s.exit.Code
		cause.ExitCode = &code
	}
	return cause
}

// chronicle adds to the history what the machine tells people. source is the container that began it.
func (d *pod) chronicle(effect machine.Effect, record *machine.Record, source string) {
	switch e := effect.(type) {
	case machine.Began:
		entry := restartOf(record, source)
		entry.Time = time.Now()
		d.whole = &entry
		d.remember(d.whole)
	case machine.Finished:
		if d.whole != nil {
			d.whole.DurationMicros = max(e.Took.Microseconds(), 1)
			d.kept(d.history.Update(d.whole))
		}
	case machine.Failed:
		d.remember(&history.Entry{Container: source, Rule: report.NoRule, Action: history.ActionFail, Reason: e.Why, Time: time.Now()})
	}
}

// restartOf is the restart, or the end, of the whole Pod that the record is about.
func restartOf(record *machine.Record, source string) report.Restart {
	entry := report.Restart{Container: source, Rule: record.Rule, Action: report.ActionRestartAll}
	if record.Then == machine.End {
		entry.Action = report.ActionTerminate
	}
	if record.Code >= 0 {
		entry.ExitCode = &record.Code
	} else {
		entry.Reason = record.Why
	}
	return entry
}
