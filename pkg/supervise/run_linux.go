package supervise

import (
	"strconv"
	"time"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/wire"
)

// ended is how an attempt ended, and what came between it and the next.
type ended struct {
	attempt, code int
	at            int64 // wire.Now
	ran           time.Duration
	// putOff is how long the next start waited for back-off or for news of a deletion.
	putOff time.Duration
	// unsent says that the message exited is still to be sent: the next start should not have to
	// wait for that.
	unsent bool
	// lingers says that the container stays although its command has ended for good.
	lingers bool
	exited  wire.Message
}

// run is the life of the container: attempts, until one is not followed by another.
func (s *supervisor) run() int {
	before := s.attempts.previous()
	var end ended
	for attempt := before.attempt + 1; ; attempt++ {
		if err := s.attempts.starting(attempt, before); err != nil && end.attempt == 0 {
			s.say("can't write " + s.attempts.name + ": " + err.Error())
		}
		end = s.attempt(attempt, end)
		if !s.again(&end) {
			s.link.send(wire.Message{Verb: wire.Exited, Attempt: attempt, Code: end.code, Action: wire.ActionEnd, Rule: exittable.Policy})
			_ = s.attempts.ended(attempt, before, end.code) // the code itself goes to the runtime
			if end.lingers {
				s.linger(end)
			}
			return end.code
		}
		before = last{attempt: attempt, code: end.code, reason: reasonOf(end.code)}
	}
}

// attempt runs the command once, until nothing of it is left.
func (s *supervisor) attempt(attempt int, before ended) ended {
	startedAt := wire.Now()
	pid, code := s.launch(before)
	if before.attempt == 0 {
		go makeReserves() // the first start does not wait for it
	}
	if before.unsent {
		s.link.send(before.exited)
	}
	if pid != 0 {
		started := wire.Message{Verb: wire.Started, Attempt: attempt, PID: pid}
		if before.attempt != 0 {
			took := time.Duration(wire.Now()-before.at) - before.putOff
			started.Micros = int(took.Microseconds())
		}
		s.link.send(started)
		code = s.reap()
	}
	at := wire.Now()
	return ended{attempt: attempt, code: code, at: at, ran: time.Duration(at - startedAt)}
}

// again clears what the attempt left behind, and says whether there is to be another; if so it
// returns when that is due.
func (s *supervisor) again(end *ended) bool {
	if !s.sweep(s.KillTimeout) {
		s.say("something of the container is still there " + s.KillTimeout.String() +
			" after SIGKILL: nothing is started beside it, the container ends")
		return false
	}
	from := wire.Now()
	step := s.stepAfter(end)
	end.lingers = step.Action == exittable.Linger
	if step.Action != exittable.Restart || !s.mayRestart(end.at) {
		return false
	}
	wait := s.nextWait(end.ran)
	s.sayBetween(seam{container: s.Container, attempt: end.attempt, code: end.code, rule: step.Rule, action: actionRestart, wait: wait})
	end.exited = wire.Message{Verb: wire.Exited, Attempt: end.attempt, Code: end.code, Action: wire.ActionRestart,
		Rule: int(step.Rule), Wait: int(wait.Microseconds())}
	if wait == 0 {
		end.unsent = true
	} else {
		s.link.send(end.exited)
		if !s.backOff(wait-time.Duration(from-end.at)) || !s.mayRestart(end.at) {
			return false
		}
	}
	end.putOff = time.Duration(wire.Now() - from)
	return true
}

// linger waits until the container is told to stop.
func (s *supervisor) linger(end ended) {
	if s.Seam != SeamOff {
		s.say("exit code " + strconv.Itoa(end.code) + " ends " + s.Container + " for good; its container stays " +
			"until the Pod is deleted, or the Pod's restartPolicy would start it again")
	}
	<-s.stop
}

// launch starts the command, unless the container was told to stop already; then, and if it can't
// be started, pid is 0 and there is only a code: of the attempt before, or of a command that the stop
// signal ended at once.
func (s *supervisor) launch(before ended) (pid, code int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.stopSignal != 0 && before.attempt != 0 {
		return 0, before.code
	}
	if s.stopSignal != 0 {
		return 0, 128 + int(s.stopSignal)
	}
	return s.startCommand()
}

// startCommand starts the command, or says why it can't and gives the exit code for that. The mutex is
// held.
func (s *supervisor) startCommand() (pid, code int) {
	s.given.restore()
	s.message.Empty()
	s.member.hurry = false
	pid, err := s.command.Start()
	if err != nil {
		code, reason := codeOf(err)
		s.say("can't start " + s.Argv[0] + ": " + reason)
		return 0, code
	}
	s.pid = pid
	return pid, 0
}

// pause waits, and returns false at once when the container is told to stop.
func (s *supervisor) pause(wait time.Duration) bool { return s.pauseUnless(wait, nil) }

// backOff is pause, until somebody wants the restart now.
func (s *supervisor) backOff(wait time.Duration) bool { return s.pauseUnless(wait, s.hurried) }

func (s *supervisor) pauseUnless(wait time.Duration, over func() bool) bool {
	until := wire.Now() + int64(wait)
	for {
		select {
		case <-s.stop:
			return false
		default:
		}
		left := time.Duration(until - wire.Now())
		if wait <= 0 || left <= 0 || over != nil && over() {
			return true
		}
		s.await(left)
	}
}
