package supervise

import (
	"syscall"
	"time"

	"restartrules.dev/pkg/wire"
)

// obey does what the watcher says, or notes it for the main goroutine. Every order can come again, and
// too late: then the answer is the state. It runs on the link's goroutine.
func (s *supervisor) obey(order wire.Message) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	m := &s.member
	switch order.Verb {
	case wire.Run:
		if (m.said.Is == wire.IsNew || m.said.Is == wire.IsParked) && order.Gen >= m.said.Gen && !m.busy && !m.stop {
			m.said.Gen, m.run, m.runAt = order.Gen, true, wire.Now()
			if m.resting && s.stopSignal == 0 && !m.end {
				// The main goroutine would do the same, when its thread has been woken: half as long as the start itself.
				m.begun, m.resting = s.ordered(), false
			}
			s.wakeUp()
			return // the answer comes when it runs
		}
	case wire.Stop:
		if order.Gen > m.said.Gen {
			s.orderStop(order)
			return
		}
	case wire.End:
		if s.orderEnd(order.Code) {
			return
		}
	case wire.Leave:
		s.leave()
	case wire.Kill:
		s.orderKill(order)
	case wire.Exec:
		s.orderExec(order)
		return
	default: // from a newer watcher
		return
	}
	s.link.tell(&m.said)
}

func (s *supervisor) orderStop(order wire.Message) {
	m := &s.member
	again := m.stop
	m.said.Gen, m.run, m.stop = order.Gen, false, true
	if !m.busy {
		s.wakeUp()
		return // the answer comes when it is parked, at once
	}
	if m.said.Is != wire.IsStuck {
		m.said.Is = wire.IsStopping
	}
	s.link.tell(&m.said)
	if s.pid == 0 {
		return
	}
	s.killWithin(order.Grace)
	// The last: the main goroutine wants the mutex as soon as the command has ended.
	switch {
	case order.Grace <= 0:
		s.slay()
	case again || order.PreStop && s.runPreStop():
	default:
		_ = syscall.Kill(s.pid, syscall.SIGTERM)
	}
}

// orderEnd reports whether the container ends.
func (s *supervisor) orderEnd(code int) bool {
	m := &s.member
	switch {
	case m.said.Is == wire.IsStuck && s.pid != 0:
		// The command itself is stuck. The main goroutine waits for it, for ever.
		if code < 0 {
			code = 128 + int(syscall.SIGKILL)
		}
		_ = s.attempts.ended(m.said.Attempt, m.before, code)
		syscall.Exit(code)
		return true
	case m.said.Is == wire.IsStuck: // the main goroutine clears, and looks from time to time
	case m.busy, m.run, m.undecided, m.stop:
		return false
	case m.said.Is == wire.IsBackoff:
		return false
	}
	m.end, m.endCode = true, code
	s.wakeUp()
	return true
}

// orderKill ends the command, because a probe has failed or somebody wants it restarted. If it is waiting to
// be started again that is done now.
func (s *supervisor) orderKill(order wire.Message) {
	m := &s.member
	if s.pid == 0 && !order.Judge && order.Attempt == 0 {
		m.hurry = true
		s.wakeUp()
		return
	}
	if s.pid == 0 || m.stop || m.killing || order.Attempt != 0 && order.Attempt != m.said.Attempt {
		return
	}
	m.killing, m.forced = true, !order.Judge
	if order.Grace <= 0 {
		s.slay()
	} else {
		_ = syscall.Kill(s.pid, syscall.SIGTERM)
	}
	s.killWithin(order.Grace)
}

// killWithin sends SIGKILL when the command has not ended by then, unless the container runtime will.
func (s *supervisor) killWithin(milliseconds int) {
	at := wire.Now() + int64(time.Duration(milliseconds)*time.Millisecond)
	a := &s.alarm
	if s.stopSignal == 0 && !a.slain && (a.killAt == 0 || at < a.killAt) {
		a.killAt = at
	}
}

// slay kills the command; what is left of the container is killed when that has ended. The mutex is
// held.
func (s *supervisor) slay() {
	if s.pid == 0 {
		return
	}
	_ = syscall.Kill(s.pid, syscall.SIGKILL)
	s.alarm.slain = true
	s.alarm.killAt = wire.Now() + int64(s.KillTimeout)
}

// leave leaves killing to the container runtime. The mutex is held.
func (s *supervisor) leave() {
	if !s.alarm.slain {
		s.alarm.killAt = 0
	}
}
