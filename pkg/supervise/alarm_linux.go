package supervise

import (
	"syscall"
	"time"

	"restartrules.dev/pkg/wire"
)

// alarm is what is to be done at some time while the command runs. The supervisor's mutex guards it. The link's goroutine, on
// which all of it is set, does it: while it waits for orders it has the kernel wake it.
type alarm struct {
	// killAt is when the command is sent SIGKILL, or, if slain says that it was, when it counts as
	// stuck; 0: it isn't.
	killAt int64
	slain  bool
}

// disarm forgets the command, which has ended.
func (a *alarm) disarm() { a.killAt, a.slain = 0, false }

// ring does what is due, and says how long it is until something else is, or forever. The link calls it.
func (s *supervisor) ring() time.Duration {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := wire.Now()
	switch a := &s.alarm; {
	case a.killAt == 0 || a.killAt > now:
	case s.pid == 0 || a.slain:
		a.killAt = 0
		if s.pid != 0 {
			s.stuck(s.pid)
		}
	default:
		s.slay()
	}
	first := s.alarm.killAt
	for i := range s.commands.running {
		r := &s.commands.running[i]
		if r.due != 0 && r.due <= now {
			r.due, r.timedOut = 0, true
			_ = syscall.Kill(-r.pid, syscall.SIGKILL) // it leads a session; not reaped yet
		}
		if r.due != 0 && (first == 0 || r.due < first) {
			first = r.due
		}
	}
	if first == 0 {
		return forever
	}
	return max(0, time.Duration(first-now))
}
