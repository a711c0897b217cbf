package supervise

import (
	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/wire"
)

// listen makes the link of a container that decides by itself. All that it obeys is that its command is to be
// started again.
func (s *supervisor) listen() {
	s.link = newLink(s.Dir+"/"+wire.SocketName, reconnectMax)
	s.link.obey = func(order wire.Message) {
		if order.Verb != wire.Kill {
			return
		}
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.orderKill(order)
	}
	s.link.ring = s.ring
	go s.link.run() // ends with the process
}

// stepAfter is the step after an attempt: another start if that was ordered.
func (s *supervisor) stepAfter(end *ended) exittable.Step {
	s.mutex.Lock()
	forced := s.member.forced
	s.member.killing, s.member.forced = false, false
	s.mutex.Unlock()
	if forced {
		return exittable.Step{Action: exittable.Restart, Rule: exittable.Policy}
	}
	return s.judge(end.code, end.at)
}

// hurried says that a back-off is to end now.
func (s *supervisor) hurried() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.member.hurry
}
