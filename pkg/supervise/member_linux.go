package supervise

import (
	"runtime"
	"time"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/wire"
)

// member is the state of a shim in a Pod that is restarted as a whole. The supervisor's mutex guards
// it. There are two goroutines: the main one starts the command, waits for children, clears what they
// leave, and decides (live). The link's takes the watcher's orders: it notes them, signals processes,
// and starts the command where the main one only waits to be told (obey), and does what is due (ring).
type member struct {
	// said is the state as the watcher knows it. Its Gen, Code, Rule and Action are what counts here
	// too.
	said wire.Message
	// busy is true from the start of an attempt until nothing is left of it. While it is false
	// nothing runs, and the main goroutine waits for what comes next.
	busy bool
	// ran says that the command was started, by this shim.
	ran bool
	// before is how the last attempt ended, and prior how the one before that did: what the attempt
	// file said at the last start.
	before, prior last

	// resting says that the main goroutine waits for what comes next, and begun is what was begun in its place meanwhile.
	resting bool
	begun   next

	// run and stop say that the watcher said so and the main goroutine has still to do it; runAt is
	// when.
	run, stop bool
	runAt     int64
	// end says that the container is to end: with endCode, -1 is its own.
	end     bool
	endCode int

	// killing says that a probe has failed, and forced that the exit that this brings about is
	// followed by another start whatever its code.
	killing, forced bool
	// hurry says that the next start is not to wait any longer for its back-off.
	hurry bool

	// The last attempt: when it was started and when it ended, and how long clearing took.
	startedAt, endedAt int64
	clearing           time.Duration
	// undecided says that step may not be applied yet: the Pod may be being deleted.
	undecided bool
	step      exittable.Step
	// unsaid says that the watcher has not been told of the exit yet.
	unsaid bool
	// due is when a back-off is over.
	due int64
	// absent is how long there had been no watcher when the present wait began.
	absent time.Duration
}

// join makes the link by which the watcher gives its orders.
func (s *supervisor) join() error {
	// The commands that the watcher has run are started from the link's thread, while the main one
	// waits for children. With one P each would have to wait until the scheduler looks after the
	// other's.
	runtime.GOMAXPROCS(2)
	if err := s.commands.prepare(s.Commands, s.Env); err != nil {
		return err
	}
	m := &s.member
	m.before = s.attempts.previous()
	m.said = wire.Message{Verb: wire.State, Is: wire.IsNew, Attempt: m.before.attempt, Rule: exittable.Policy}
	s.link = newLink(s.Dir+"/"+wire.SocketName, reconnectMember)
	s.link.state = m.said
	s.link.obey, s.link.changed, s.link.ring = s.obey, s.wakeUp, s.ring
	go makeReserves()
	go func() { // ends with the process
		// What it starts dies with its thread (Pdeathsig).
		runtime.LockOSThread()
		s.link.run()
	}()
	return nil
}

// live is the life of the container: attempts, and waits between them, until it has to end.
func (s *supervisor) live() int {
	for {
		pid, code, over := s.rest()
		if over {
			return code
		}
		if pid != 0 {
			code = s.reap()
		}
		at := wire.Now()
		gone := s.clear()
		s.settle(code, at, gone)
	}
}

// clear kills what is left. False: something outlives SIGKILL, and the container is to end with it.
func (s *supervisor) clear() bool {
	timeout := s.KillTimeout
	for !s.sweep(timeout) {
		pid := s.survivor()
		s.mutex.Lock()
		if pid != 0 {
			s.stuck(pid)
		}
		away, absent := s.link.absence()
		over := s.member.end || s.stopSignal != 0 || absent && away-s.member.absent > s.Orphaned
		s.mutex.Unlock()
		if over {
			return false
		}
		timeout = time.Millisecond
	}
	return true
}

// stuck says that a process outlives SIGKILL. The mutex is held.
func (s *supervisor) stuck(pid int) {
	said := &s.member.said
	if said.Is == wire.IsStuck && said.PID == pid {
		return
	}
	said.Is, said.PID, said.Name = wire.IsStuck, pid, commandName(pid)
	if s.Role != Alone { // whose state nobody follows
		s.link.tell(said)
	}
	s.say("process " + said.Name + " is still there " + s.KillTimeout.String() + " after SIGKILL: nothing is started beside it")
}

// settle notes how the attempt ended.
func (s *supervisor) settle(code int, at int64, gone bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	m := &s.member
	m.said.Code, m.said.Wait = code, 0
	m.prior = m.before
	m.before = last{attempt: m.said.Attempt, code: code, reason: reasonOf(code)}
	m.endedAt, m.unsaid = at, true
	m.clearing = time.Duration(wire.Now() - at)
	m.said.Rule, m.said.Action = exittable.Policy, wire.ActionEnd
	forced := m.forced
	m.killing, m.forced = false, false
	if !gone {
		return // still busy, still stuck: next ends the container
	}
	m.said.PID, m.said.Name = 0, ""
	m.busy = false
	switch {
	case m.stop:
		m.before.reason = reasonRestartingAll
		s.park()
	case forced:
		m.step, m.undecided = exittable.Step{Action: exittable.Restart, Rule: exittable.Policy}, true
	default:
		m.step, m.undecided = s.judge(code, at), true
	}
}

// park says that nothing of the container is left. The mutex is held.
func (s *supervisor) park() {
	m := &s.member
	m.stop, m.undecided, m.said.Wait = false, false, 0
	if m.unsaid {
		m.said.Rule, m.said.Action = exittable.Policy, wire.ActionAll
	}
	s.become(wire.IsParked)
}

// become changes the state, and says so. What is less urgent comes behind. The mutex is held.
func (s *supervisor) become(is wire.Is) {
	m := &s.member
	m.said.Is = is
	m.wait(s.link)
	s.link.tell(&m.said)
	s.sayExited()
}

// wait begins to count how long there is no watcher.
func (m *member) wait(l *link) { m.absent, _ = l.absence() }

// sayExited tells of the last exit, once. The mutex is held.
func (s *supervisor) sayExited() {
	m := &s.member
	if !m.unsaid {
		return
	}
	m.unsaid = false
	s.link.send(wire.Message{Verb: wire.Exited, Attempt: m.before.attempt, Code: m.before.code,
		Action: m.said.Action, Rule: m.said.Rule, Wait: m.said.Wait})
	if m.said.Action != wire.ActionRestart {
		_ = s.attempts.ended(m.before.attempt, m.prior, m.before.code) // the code itself goes to the runtime
	}
}
