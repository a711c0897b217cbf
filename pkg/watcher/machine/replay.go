package machine

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
		t.s.missingAt, t.s.script, t.s.scriptAt, t.s.scriptDelay = 0, scriptNone, 0, 0
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
		if t.c.Members[i].Returns { // the kubelet would try again, too
			t.retryScript()
			return false
		}
		t.s.Source, t.s.Code, t.s.Rule = i, t.s.scriptCode, -1
		t.fail("the script of init container " + t.c.Members[i].Name + " has failed")
	}
	return false
}

// retryScript runs the script again after a back-off like the kubelet's.
func (t *turn) retryScript() {
	s := &t.s
	if s.scriptAt == 0 {
		s.scriptDelay = min(max(2*s.scriptDelay, scriptDelay), maxScriptDelay)
		s.scriptAt = t.now + int64(s.scriptDelay)
	}
	if t.now >= s.scriptAt {
		s.script, s.scriptAt = scriptNone, 0
		t.replayScript(s.Step)
	}
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
