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

// replaying runs one member of the init containers' list after the other.
func (t *turn) replaying() {
	t.keepSidecars(t.s.Step)
	for {
		for t.s.Step < len(t.c.Members) && t.c.Members[t.s.Step].Role != Init && t.c.Members[t.s.Step].Role != Sidecar {
			t.s.Step++
		}
		if t.s.Step == len(t.c.Members) {
			t.enter(Starting)
			return
		}
		next, frontier := t.replay(t.s.Step)
		switch {
		case frontier:
			// The kubelet has come this far when the Pod first started; the rest is its turn.
			t.finished()
			return
		case !next:
			return
		}
		t.s.Step++
		t.s.missingAt, t.s.script = 0, scriptNone
		t.do(Write{})
	}
}

// keepSidecars starts sidecars whose turn has been and whose containers the kubelet has started again.
func (t *turn) keepSidecars(before int) {
	for i := range before {
		if s := &t.s.Shims[i]; t.c.Members[i].Role == Sidecar && s.Presence == Present && s.Is == New {
			t.send(i, Send{Verb: Run, Gen: t.s.Gen})
		}
	}
}

// replay has one member run again. next: it is done; frontier: it, and what comes after it, is up to
// the kubelet.
func (t *turn) replay(i int) (next, frontier bool) {
	m, s := &t.c.Members[i], &t.s.Shims[i]
	if m.Role == Sidecar {
		return t.replaySidecar(i)
	}
	if s.Presence == Expected {
		return false, false
	}
	memory := &t.s.Members[i]
	switch {
	case s.Presence == Present && s.Is == New && memory.Over && memory.Code == 0:
		// Its shim was killed after it had completed. The twin may be at it already.
		t.send(i, Send{Verb: EndShim, Gen: t.s.Gen, Code: 0})
	case s.Presence == Present:
		memory.Over = false
		t.send(i, Send{Verb: Run, Gen: t.s.Gen})
		return false, true
	}
	if !t.done(i) {
		return false, true
	}
	if m.Script {
		return t.replayScript(i), false
	}
	if m.Twin < 0 {
		return true, false // not to be replayed
	}
	twin := &t.s.Shims[m.Twin]
	switch {
	case twin.Presence != Present:
		t.missing(i)
		return false, false
	case twin.Is == New, twin.Is == Parked:
		t.send(m.Twin, Send{Verb: Run, Gen: t.s.Gen})
	case twin.Gen < t.s.Gen:
		t.send(m.Twin, Send{Verb: Stop, Gen: t.s.Gen, Grace: t.c.Grace})
	case twin.Is == Ended && twin.Code == 0:
		return true, false
	case twin.Is == Ended:
		t.s.Source, t.s.Code, t.s.Rule = i, twin.Code, -1
		t.fail("init container " + m.Name + " has failed when it was run again")
	}
	return false, false
}

// replayScript has the watcher run a script in place of an init container. A watcher that was killed
// starts it again: the script died with it.
func (t *turn) replayScript(i int) (done bool) {
	switch t.s.script {
	case scriptNone:
		t.s.script = scriptRuns
		t.do(RunScript{Member: i, Gen: t.s.Gen})
	case scriptEnded:
		if t.s.scriptCode == 0 {
			return true
		}
		t.s.Source, t.s.Code, t.s.Rule = i, t.s.scriptCode, -1
		t.fail("the script of init container " + t.c.Members[i].Name + " has failed")
	}
	return false
}

// missing waits for the twin of an init container, unless it will never come.
func (t *turn) missing(i int) {
	twin := t.c.Members[i].Twin
	if t.s.Shims[twin].Presence != Absent || t.c.Members[twin].Returns {
		return
	}
	if t.s.missingAt == 0 {
		t.s.missingAt = t.now + int64(MissingTimeout)
	}
	if t.s.Members[twin].Seen || t.now >= t.s.missingAt {
		t.fail("container " + t.c.Members[twin].Name + ", which replays init container " + t.c.Members[i].Name + ", has ended")
	}
}

func (t *turn) replaySidecar(i int) (next, frontier bool) {
	m, s := &t.c.Members[i], &t.s.Shims[i]
	switch {
	case s.Presence != Present:
		return false, s.Presence == Absent && !t.s.Members[i].Seen
	case s.Is == New, s.Is == Parked:
		t.send(i, Send{Verb: Run, Gen: t.s.Gen})
	case s.Gen < t.s.Gen:
		t.send(i, Send{Verb: Stop, Gen: t.s.Gen, Grace: t.c.Grace})
	case s.Is == Runs && (!m.Gate || s.Started):
		return true, false
	}
	return false, false
}

// done reports whether an init container's own container has completed: its shim said so, or the
// kubelet has gone on.
func (t *turn) done(i int) bool {
	if t.s.Members[i].Over && t.s.Members[i].Code == 0 {
		return true
	}
	for later := range t.c.Members {
		role := t.c.Members[later].Role
		if t.s.Members[later].Seen && (role == Regular || later > i && role != Twin) {
			return true
		}
	}
	return false
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
		if s.Presence != Present || s.Is == Runs || s.Is == Stops || s.Is == Backs || m.Role == Sidecar {
			continue
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
