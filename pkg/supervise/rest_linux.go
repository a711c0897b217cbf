package supervise

import (
	"time"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/wire"
)

// rest waits while no command runs. It returns when one does, with its process id; or when it could
// not be started, with an exit code only; or when the container is over, with its exit code.
func (s *supervisor) rest() (pid, code int, over bool) {
	for {
		s.mutex.Lock()
		next := s.takeUp()
		s.member.resting = next.what == await
		s.mutex.Unlock()
		switch next.what {
		case begin:
			return next.pid, next.code, false
		case finish:
			return 0, next.code, true
		case clearFirst:
			gone := s.clear()
			s.mutex.Lock()
			if gone {
				s.member.busy = false
				s.member.said.PID, s.member.said.Name = 0, ""
				s.park()
			}
			s.mutex.Unlock()
		case await:
			s.await(next.wait)
		}
	}
}

// takeUp is what was begun in the main goroutine's place, else what is next. The mutex is held.
func (s *supervisor) takeUp() next {
	if begun := s.member.begun; begun.what == begin {
		s.member.begun = next{}
		return begun
	}
	return s.next()
}

// next is what the main goroutine does next.
type next struct {
	what      what
	pid, code int
	wait      time.Duration
}

type what uint8

const (
	await what = iota
	begin
	finish
	clearFirst
)

// next decides that, and says it to the watcher. The mutex is held.
func (s *supervisor) next() next {
	m := &s.member
	switch {
	case s.stopSignal != 0:
		return s.finish(m.ownCode(s))
	case m.end && m.endCode >= 0:
		return s.finish(m.endCode)
	case m.end, m.busy: // busy: clearing was given up
		return s.finish(m.ownCode(s))
	case m.stop:
		// Something may have come into the container since: by exec, say.
		m.said.Is, m.busy = wire.IsStopping, true
		return next{what: clearFirst}
	case m.run:
		return s.ordered()
	case m.undecided:
		return s.decide()
	case m.said.Is == wire.IsBackoff:
		return s.backoff()
	}
	return s.fallback()
}

// ownCode is the exit code that a container has by itself.
func (m *member) ownCode(s *supervisor) int {
	switch {
	case m.ran:
		return m.said.Code
	case s.stopSignal != 0 && s.Role != Twin:
		return 128 + int(s.stopSignal) // as if it had been started and had died of the signal
	}
	return 0
}

// finish is the container's end.
func (s *supervisor) finish(code int) next {
	m := &s.member
	if m.unsaid {
		m.said.Action, m.said.Rule = wire.ActionEnd, exittable.Policy
		s.sayExited()
	}
	if m.ran {
		_ = s.attempts.ended(m.before.attempt, m.prior, code)
	}
	return next{what: finish, code: code}
}

// decide applies the step that the exit table gives, unless the Pod is being deleted.
func (s *supervisor) decide() next {
	m := &s.member
	concernsDeletion := m.step.Action != exittable.End && m.step.Action != exittable.Linger
	if concernsDeletion {
		switch s.news(m.endedAt) {
		case deletion:
			return s.finish(m.ownCode(s))
		case unsettled:
			return next{wait: lookAgain}
		}
	}
	m.undecided = false
	m.said.Rule = int(m.step.Rule)
	switch m.step.Action {
	case exittable.Restart:
		m.said.Action = wire.ActionRestart
		wait := s.nextWait(time.Duration(m.endedAt - m.startedAt))
		s.sayBetween(seam{container: s.Container, attempt: m.before.attempt, code: m.before.code,
			rule: m.step.Rule, action: actionRestart, wait: wait})
		if wait <= 0 {
			return s.begin(wire.Now() - int64(m.clearing))
		}
		m.due = m.endedAt + int64(wait)
		m.said.Wait = int(wait.Microseconds())
		s.become(wire.IsBackoff)
		return s.backoff()
	case exittable.All:
		m.said.Action = wire.ActionAll
		s.become(wire.IsAsks)
	case exittable.Pod:
		m.said.Action = wire.ActionPod
		s.become(wire.IsAsks)
	default:
		m.said.Action = wire.ActionEnd
		s.become(wire.IsEnded)
	}
	return s.fallback()
}

// ordered starts the command because the watcher said so. The mutex is held.
func (s *supervisor) ordered() next {
	m := &s.member
	if m.ran && s.Seam != SeamOff {
		s.sayBetween(m.seam(s.Container))
	}
	return s.begin(m.runAt)
}

// backoff starts the command again when that is due.
func (s *supervisor) backoff() next {
	m := &s.member
	if wait := time.Duration(m.due - wire.Now()); wait > 0 && !m.hurry {
		return next{wait: wait}
	}
	switch s.news(m.endedAt) {
	case deletion:
		return s.finish(m.ownCode(s))
	case unsettled:
		return next{wait: lookAgain}
	}
	return s.begin(wire.Now() - int64(m.clearing))
}

// fallback is what to do if there is no watcher for long.
func (s *supervisor) fallback() next {
	m := &s.member
	switch {
	case s.Role != Own:
	case m.said.Is == wire.IsNew:
		return s.begin(wire.Now())
	case m.step.Action == exittable.Linger:
		return next{wait: forever}
	default:
		return s.finish(m.ownCode(s))
	}
	away, now := s.link.absence()
	if !now {
		return next{wait: forever}
	}
	away -= m.absent
	switch m.said.Is {
	case wire.IsNew:
		if s.Role == Twin {
			return next{wait: forever}
		}
		if away < s.Unwatched {
			return next{wait: s.Unwatched - away}
		}
		s.say("there is no watcher: the command is started without")
		return s.begin(wire.Now())
	default:
		if away < s.Orphaned {
			return next{wait: s.Orphaned - away}
		}
		s.say("there is no watcher to decide what becomes of the Pod: the container ends")
		return s.finish(m.ownCode(s))
	}
}

// begin starts the command. since is when the time began that the start takes.
func (s *supervisor) begin(since int64) next {
	m := &s.member
	m.run, m.undecided = false, false
	m.said.Attempt = m.before.attempt + 1
	if err := s.attempts.starting(m.said.Attempt, m.before); err != nil && !m.ran {
		s.say("can't write " + s.attempts.name + ": " + err.Error())
	}
	m.busy, m.ran = true, true
	m.said.Is, m.said.PID, m.said.Wait = wire.IsRunning, 0, 0 // whether it can be started or not, it is not new any more
	m.startedAt = wire.Now()
	pid, code := s.startCommand()
	if pid == 0 {
		s.sayExited()
		return next{what: begin, code: code}
	}
	m.said.PID = pid
	m.said.Micros = int(time.Duration(wire.Now() - since).Microseconds())
	s.link.tell(&m.said)
	s.sayExited()
	s.link.send(wire.Message{Verb: wire.Started, Attempt: m.said.Attempt, PID: pid, Micros: m.said.Micros})
	return next{what: begin, pid: pid}
}

// seam is the line before a start that the watcher ordered.
func (m *member) seam(container string) seam {
	line := seam{container: container, attempt: m.before.attempt, code: m.before.code, rule: int16(m.said.Rule), action: actionAll}
	if m.said.Action != wire.ActionAll || m.said.Rule == exittable.Policy {
		line.reason = m.before.reason
	}
	return line
}
