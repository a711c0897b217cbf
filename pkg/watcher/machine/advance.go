package machine

import "time"

// advance does what the state asks for. It returns true if the phase changed, so that there may be
// more to do.
func (t *turn) advance() bool {
	before, gen, step := t.s.Phase, t.s.Gen, t.s.Step
	switch t.s.Phase {
	case Running:
		t.running()
	case Stopping:
		t.stopping()
	case BackingOff:
		if t.again(); t.s.Phase == BackingOff && t.now >= t.s.Due {
			t.enter(Replaying)
		}
	case Replaying:
		if t.again(); t.s.Phase == Replaying {
			t.replaying()
		}
	case Starting:
		if t.again(); t.s.Phase == Starting {
			t.starting()
		}
	case Ending, Failing:
		t.ending()
	case Sandbox:
		if !t.s.sandboxEnded {
			t.s.sandboxEnded = true
			t.do(EndSandbox{})
		}
	}
	return t.s.Phase != before || t.s.Gen != gen || t.s.Step != step
}

// again begins anew if a member asks that belongs to this restart already. What asked before is
// part of it.
func (t *turn) again() {
	for i := range t.s.Shims {
		if s := &t.s.Shims[i]; s.Is == Asks && s.Gen == t.s.Gen {
			t.asked(i)
			return
		}
		if t.s.Shims[i].Is == Stuck {
			t.stuck(i)
			return
		}
	}
}

func (t *turn) asked(member int) {
	s := &t.s.Shims[member]
	then := Restart
	if s.EndPod {
		then = End
	}
	source := member
	if m := &t.c.Members[member]; m.Role == Twin {
		source = m.Twin
	}
	t.begin(source, s.Code, s.Rule, then, "")
}

func (t *turn) stuck(member int) {
	t.fail("container " + t.c.Members[member].Name + ": a process outlives SIGKILL, so nothing is started beside it: " + t.s.Shims[member].Process)
}

func (t *turn) running() {
	liveSource, allEnded, regular := false, true, 0
	for i := range t.c.Members {
		m, s, memory := &t.c.Members[i], &t.s.Shims[i], &t.s.Members[i]
		if m.Role == Twin {
			continue
		}
		if s.Presence == Present && s.Is == Asks {
			t.asked(i)
			return
		}
		over := memory.Over || memory.Seen && s.Presence == Absent && !m.Returns
		liveSource = liveSource || m.Source && !over && m.Role != Init
		if m.Role == Regular {
			regular++
			allEnded = allEnded && over
		}
	}
	if allEnded && regular > 0 {
		t.s.Why = ""
		t.enter(Ending)
		return
	}
	for i := range t.c.Members {
		t.attend(i, liveSource)
	}
}

// attend tells one member what it is to do while the Pod runs.
func (t *turn) attend(i int, liveSource bool) {
	m, s, memory := &t.c.Members[i], &t.s.Shims[i], &t.s.Members[i]
	if s.Presence != Present {
		return
	}
	switch {
	case m.Role == Twin:
		// It waits for a restart.
	case s.Is == New && memory.Over && (m.Role != Init || memory.Code == 0):
		// Its shim was killed after the command had ended for good.
		if memory.Released || m.Role == Init {
			t.send(i, Send{Verb: EndShim, Gen: t.s.Gen, Code: int(memory.Code)})
		}
	case s.Is == New, s.Is == Parked && s.Gen == t.s.Gen:
		t.send(i, Send{Verb: Run, Gen: t.s.Gen})
	case s.Gen < t.s.Gen && s.Is != Ended:
		// It slept through a restart, or was started while no watcher was there.
		t.send(i, Send{Verb: Stop, Gen: t.s.Gen, Grace: t.c.Grace})
	case s.Is == Parked:
		// Of a restart that the journal knows nothing of.
	case m.Role == Init && s.Is == Ended:
		t.send(i, Send{Verb: EndShim, Gen: t.s.Gen, Code: -1})
	case m.Role == Regular && s.Is == Ended && !liveSource:
		if !memory.Released {
			memory.Released = true
			t.do(Write{})
		}
		t.send(i, Send{Verb: EndShim, Gen: t.s.Gen, Code: -1})
	}
}

func (t *turn) stopping() {
	s := &t.s
	for i := range s.Shims {
		m := &s.Shims[i]
		switch {
		case m.Presence != Present, m.Is == Parked && m.Gen == s.Gen:
		case m.Is == Stuck:
			t.stuck(i)
			return
		default:
			t.send(i, Send{Verb: Stop, Gen: s.Gen, Grace: s.grace(t.c), PreStop: t.c.PreStop || s.Then == End})
			if !m.escalated && t.now >= m.stopAt+int64(s.grace(t.c)+AnswerTimeout) {
				m.escalated = true
				t.do(Escalate{Member: i})
			}
		}
	}
	if !s.checking && s.checkAt == 0 && t.allStopped() {
		s.checking = true
		t.do(Check{Gen: s.Gen})
	}
}

// allStopped reports whether every shim that is there, or may be, has stopped its container.
func (t *turn) allStopped() bool {
	for i := range t.s.Shims {
		m := &t.s.Shims[i]
		if m.Presence == Expected || m.Presence == Present && !(m.Is == Parked && m.Gen == t.s.Gen) {
			return false
		}
	}
	return true
}

// stopped goes on when nothing of the Pod's containers is left.
func (t *turn) stopped() {
	switch {
	case t.s.Then == End:
		t.enter(Ending)
	case t.s.Then == Fail:
		t.fail(t.s.Why)
	case t.c.Sandbox:
		t.enter(Sandbox)
	case t.now < t.s.Due:
		t.enter(BackingOff)
	default:
		t.enter(Replaying)
	}
}

func (t *turn) starting() {
	t.keepSidecars(len(t.c.Members))
	waiting := false
	for i := range t.c.Members {
		m, s := &t.c.Members[i], &t.s.Shims[i]
		switch {
		case m.Role != Regular:
		case s.Presence == Expected:
			waiting = true
		case s.Presence != Present:
		case s.Is == New, s.Is == Parked:
			waiting = true
			t.send(i, Send{Verb: Run, Gen: t.s.Gen})
		case s.Gen < t.s.Gen:
			waiting = true
			t.send(i, Send{Verb: Stop, Gen: t.s.Gen, Grace: t.c.Grace})
		}
	}
	if !waiting {
		t.finished()
	}
}

func (t *turn) finished() {
	t.s.Finished = t.now
	t.enter(Running)
	t.do(Finished{Took: time.Duration(t.now - max(t.s.Began, t.s.Due))})
}

// ending tells every container that ends the Pod to end.
func (t *turn) ending() {
	for i := range t.c.Members {
		m, s := &t.c.Members[i], &t.s.Shims[i]
		if s.Presence != Present || s.Is == Runs || s.Is == Stops || s.Is == Backs {
			continue
		}
		if m.Role == Sidecar || m.Role == Twin && m.InitList {
			continue // the kubelet ends sidecars, and would start those again that end before
		}
		code := -1
		switch {
		case m.Role == Twin && !(t.s.Phase == Failing && m.Twin == t.s.Source):
			code = 0
		case m.Role == Regular && t.s.Phase == Failing && s.Is == Parked && i != t.s.Source:
			code = 137 // as the kubelet reports containers that it will not start again (ContainerStatusUnknown)
		case m.Role != Twin && s.Is == New && t.s.Members[i].Over:
			code = int(t.s.Members[i].Code)
		case m.Role != Twin && s.Is == New:
			// It has come back after its end, under a policy that restarts it. Nothing starts here.
			continue
		}
		t.send(i, Send{Verb: EndShim, Gen: t.s.Gen, Code: code})
	}
}
