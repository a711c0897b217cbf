package machine

import "time"

// Step applies an event that happened at now, on the clock of wire.Now. It changes neither the state
// nor anything else.
func Step(c *Config, s State, e Event, now int64) (State, []Effect) {
	t := &turn{c: c, s: s.clone(), now: now}
	t.apply(e)
	for t.advance() {
	}
	return t.s, t.effects
}

// turn is one step on its way.
type turn struct {
	c       *Config
	s       State
	now     int64
	effects []Effect
}

func (t *turn) do(e Effect) { t.effects = append(t.effects, e) }

// enter changes the phase, and journals that.
func (t *turn) enter(p Phase) {
	t.s.Phase = p
	t.do(Write{})
}

func (t *turn) apply(e Event) {
	switch e := e.(type) {
	case Report:
		t.report(e)
	case Lost:
		t.s.Shims[e.Member] = Shim{}
		t.s.Members[e.Member].Alive = false
		t.do(Write{})
	case StartupPassed:
		t.s.Shims[e.Member].Started = true
	case Demand:
		t.demand(e)
	case Checked:
		t.checked(e)
	case ScriptEnded:
		if e.Gen == t.s.Gen && t.s.Phase == Replaying && e.Member == t.s.Step {
			t.s.script = scriptEnded
			t.s.scriptCode = e.Code
		}
	case Deleting:
		t.deleting()
	case Tick:
		t.tick()
	}
}

func (t *turn) report(r Report) {
	s := &t.s.Shims[r.Member]
	if r.Connected {
		*s = Shim{Presence: Present, Started: s.Presence == Expected && s.Started}
	}
	if r.Is != s.Is || r.Gen != s.Gen {
		s.Started = s.Started && r.Is == Runs && s.Is == Runs && r.Gen == s.Gen
	}
	s.Is, s.Gen, s.Code, s.Rule, s.EndPod, s.Process = r.Is, r.Gen, r.Code, r.Rule, r.EndPod, r.Process
	if r.Gen > t.s.Gen {
		t.s.Gen = r.Gen // the journal was lost; numbers must not be used twice
	}
	memory := &t.s.Members[r.Member]
	before := *memory
	memory.Alive, memory.Seen = true, true
	switch {
	case r.Is == Ended && r.Gen == t.s.Gen:
		memory.Over, memory.Code = true, uint8(r.Code)
	case r.Is == Runs || r.Is == Backs:
		memory.Over, memory.Released = false, false
	}
	if *memory != before {
		t.do(Write{})
	}
}

func (t *turn) demand(d Demand) {
	refused := ""
	switch {
	case t.s.Phase == Terminating:
		refused = "the Pod is being deleted"
	case t.s.Phase == Ending || t.s.Phase == Failing:
		refused = "the Pod is ending"
	case t.s.Phase == Sandbox || t.s.Restarting():
		// There is nothing to add.
	case !t.initsDone():
		refused = "the Pod's init containers have not completed yet"
	default:
		if gone := t.goneForGood(); gone >= 0 {
			refused = "container " + t.c.Members[gone].Name + " has ended for good and can't be started again in place"
		}
	}
	t.do(Answer{Member: d.Member, Refused: refused})
	if refused == "" && t.s.Phase == Running {
		t.begin(d.Member, -1, -1, Restart, d.Reason)
	}
}

func (t *turn) deleting() {
	if t.s.Phase == Terminating {
		return
	}
	for i := range t.s.Shims {
		if s := &t.s.Shims[i]; s.Presence == Present && s.told.verb == Stop && s.Is != Parked {
			t.send(i, Send{Verb: Leave, Gen: t.s.Gen})
		}
	}
	t.enter(Terminating)
}

func (t *turn) tick() {
	if t.s.settleAt != 0 && t.now >= t.s.settleAt {
		for i := range t.s.Shims {
			if s := &t.s.Shims[i]; s.Presence == Expected {
				*s = Shim{}
				t.s.Members[i].Alive = false
			}
		}
	}
	if t.s.checkAt != 0 && t.now >= t.s.checkAt {
		t.s.checkAt = 0
	}
}

func (t *turn) checked(e Checked) {
	t.s.checking = false
	if t.s.Phase != Stopping || e.Gen != t.s.Gen {
		return
	}
	if !t.allStopped() {
		return // somebody has come in between; stopping looks again
	}
	if e.Left == "" {
		t.stopped()
		return
	}
	if t.now > t.s.Began+int64(t.s.grace(t.c)+t.c.KillTimeout) {
		t.fail("outlives SIGKILL, so nothing is started beside it: " + e.Left)
		return
	}
	t.s.checkAt = t.now + int64(RecheckAfter)
}

// begin begins to stop everything.
func (t *turn) begin(source, code, rule int, then Then, why string) {
	s := &t.s
	if s.Phase == Running {
		s.Began = t.now
	}
	s.Gen++
	s.Source, s.Code, s.Rule, s.Then, s.Why, s.Step = source, code, rule, then, why, 0
	s.checking, s.checkAt, s.missingAt = false, 0, 0
	s.script, s.scriptAt, s.scriptDelay = scriptNone, 0, 0
	var wait time.Duration
	if then == Restart {
		wait = t.backoff()
		if gone := t.goneForGood(); gone >= 0 {
			s.Then = Fail
			s.Why = "container " + t.c.Members[gone].Name + " has ended and can't be started again in place"
		}
		for i := range s.Members {
			if m := &s.Members[i]; t.c.Members[i].Role != Init {
				m.Over, m.Released = false, false
			}
		}
	}
	s.Began, s.Due = t.now, t.now+int64(wait)
	t.enter(Stopping)
	t.do(Began{Wait: wait})
}

// backoff is the wait before this restart.
func (t *turn) backoff() time.Duration {
	s := &t.s
	var ran time.Duration
	if s.Finished != 0 {
		ran = time.Duration(t.now - s.Finished)
	}
	var wait time.Duration
	wait, s.Delay = t.c.Backoff.Next(ran, s.Delay)
	return wait
}

func (t *turn) fail(why string) {
	t.s.Why = why
	t.enter(Failing)
	t.do(Failed{Why: why})
}

// send tells a shim something, once.
func (t *turn) send(member int, e Send) {
	s := &t.s.Shims[member]
	told := command{e.Verb, e.Gen}
	if s.told == told {
		return
	}
	s.told = told
	if e.Verb == Stop {
		s.stopAt, s.escalated = t.now, false
	}
	e.Member = member
	t.do(e)
}

// initsDone reports whether the first pass over the init containers is over.
func (t *turn) initsDone() bool {
	for i := range t.c.Members {
		if t.c.Members[i].Role == Regular && t.s.Members[i].Seen {
			return true
		}
	}
	for i := range t.c.Members {
		if m := &t.c.Members[i]; m.Role == Init && !m.Wrapped {
			return false // nobody knows how far it is
		}
	}
	return true
}

// goneForGood is a member that no longer runs, and won't; -1: there is none.
func (t *turn) goneForGood() int {
	for i := range t.c.Members {
		m, memory := &t.c.Members[i], &t.s.Members[i]
		if (m.Role == Regular || m.Role == Twin) && memory.Seen && t.s.Shims[i].Presence == Absent && (!m.Returns || memory.Released) {
			return i
		}
	}
	return -1
}
