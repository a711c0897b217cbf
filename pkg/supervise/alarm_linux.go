package supervise

import (
	"syscall"
	"time"

	"restartrules.dev/pkg/wire"
)

// alarm is what is to be done at some time while the command runs: one timer for all of it. The
// supervisor's mutex guards it.
type alarm struct {
	timer *time.Timer
	// killAt is when the command is sent SIGKILL, or, if slain says that it was, when it counts as
	// stuck; 0: it isn't.
	killAt int64
	slain  bool
}

// disarm forgets the command, which has ended.
func (a *alarm) disarm() { a.killAt, a.slain = 0, false }

// setAlarm sets the timer for what is due first. It may ring for nothing. The mutex is held.
func (s *supervisor) setAlarm() {
	first := s.alarm.killAt
	for i := range s.commands.running {
		if at := s.commands.running[i].due; at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	if first != 0 {
		s.alarm.timer.Reset(max(0, time.Duration(first-wire.Now())))
	}
}

// ring does what is due.
func (s *supervisor) ring() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := wire.Now()
	if a := &s.alarm; a.killAt != 0 && a.killAt <= now && s.pid != 0 {
		if a.slain {
			a.killAt = 0
			s.stuck(s.pid)
		} else {
			s.slay()
		}
	}
	for i := range s.commands.running {
		if r := &s.commands.running[i]; r.due != 0 && r.due <= now {
			r.due, r.timedOut = 0, true
			_ = syscall.Kill(-r.pid, syscall.SIGKILL) // it leads a session; not reaped yet
		}
	}
	s.setAlarm()
}
