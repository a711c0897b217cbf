package machine

// step makes one random move.
func (w *world) step() {
	w.now += int64(w.rng.IntN(200)) * 1e6
	i := w.rng.IntN(len(w.pods))
	switch n := w.rng.IntN(100); {
	case n < 3 && w.up:
		w.crash()
	case n < 12 && !w.up:
		w.boot()
	case n < 15:
		if p := &w.pods[i]; p.shim != nil {
			w.logf("%s[%d] shim killed", w.c.Members[i].Name, i)
			w.faults.shims++
			w.end(i, 137)
		}
	case n == 15 && w.up && w.rng.IntN(4) == 0:
		w.deleting = true
		w.feed(Deleting{})
	case n < 18 && w.up && w.pods[i].shim != nil:
		w.feed(Demand{Member: i, Reason: "wanted"})
	case n < 30:
		w.exit(i)
	case n < 45:
		w.kubelet()
	default:
		w.move(i)
	}
}

// exit ends a command by itself.
func (w *world) exit(i int) {
	s, m := w.pods[i].shim, &w.c.Members[i]
	if s == nil || s.is != Runs {
		return
	}
	of := m
	if m.Role == Twin {
		of = &w.c.Members[m.Twin]
	}
	switch n := w.rng.IntN(10); {
	case of.Source && n < 5:
		s.is, s.code, s.endPod = Asks, 88, n == 0 && w.rng.IntN(8) == 0
	case of.Role == Init && n < 9:
		s.is, s.code = Ended, 0
		w.completes(i)
	case of.Role == Init:
		s.is, s.code = Ended, 1
	case of.Role == Sidecar || n < 8:
		s.is, s.code = Backs, 1
	default:
		s.is, s.code = Ended, n%2
		if m.Returns { // a policy that returns a container ends it on success only
			s.code = 0
		}
	}
	w.logf("%s[%d] exits: %d code %d", m.Name, i, s.is, s.code)
	w.report(i, false)
}

// completes notes that the init container, or its twin, has completed.
func (w *world) completes(i int) {
	gen := w.pods[i].shim.gen
	if w.c.Members[i].Role == Twin {
		i = w.c.Members[i].Twin
	}
	w.replayed[i] = gen
}

// kubelet starts one container that it may start, and reports whether there was one.
func (w *world) kubelet() bool {
	ready := true // everything before in the list of init containers
	for i := range w.pods {
		if w.early[i] && !w.pods[i].started {
			return w.create(i)
		}
	}
	for i := range w.pods {
		p, m := &w.pods[i], &w.c.Members[i]
		switch {
		case m.Role != Init && m.Role != Sidecar:
		case m.Role == Init && !m.Wrapped:
			if !p.completed {
				p.completed = true
				return true
			}
		case p.completed:
		case p.gone: // an init container that has failed for good
			return false
		case !p.started:
			return w.create(i)
		case m.Role == Init:
			ready = false
		case m.Role == Sidecar && p.shim.is != Runs && !w.pods[i].before:
			ready = false
		}
		if !ready {
			return false
		}
	}
	for _, role := range []Role{Regular, Twin} {
		for i := range w.pods {
			if w.c.Members[i].Role == role && !w.pods[i].started && (w.rng == nil || w.rng.IntN(2) == 0) {
				return w.create(i)
			}
		}
	}
	return false
}

func (w *world) create(i int) bool {
	w.logf("%s[%d] container created", w.c.Members[i].Name, i)
	for j := range w.pods { // the kubelet waits for a sidecar's start once
		w.pods[j].before = w.pods[j].before || w.c.Members[i].Role == Regular
	}
	w.pods[i].started, w.pods[i].shim = true, &shim{is: New}
	return true
}

// move lets one thing happen that is due at member i or in the watcher, and reports whether there was
// any.
func (w *world) move(i int) bool {
	if s := w.pods[i].shim; s != nil {
		switch {
		case !s.connected && w.up:
			s.connected, s.in = true, nil
			w.report(i, true)
			return true
		case len(s.out) > 0 && w.up && s.connected && (len(s.in) == 0 || w.coin()):
			r := s.out[0]
			s.out = s.out[1:]
			w.feed(r)
			return true
		case len(s.in) > 0:
			e := s.in[0]
			s.in = s.in[1:]
			w.told(i, e)
			return true
		case s.is == Stops:
			s.is = Parked
			w.report(i, false)
			return true
		case s.is == Backs:
			s.is = Runs
			w.report(i, false)
			return true
		}
	}
	if !w.up {
		return false
	}
	if len(w.checks) > 0 {
		gen := w.checks[0]
		w.checks = w.checks[1:]
		left := ""
		if w.rng != nil && w.rng.IntN(5) == 0 {
			left = "sleep"
		}
		w.feed(Checked{Gen: gen, Left: left})
		return true
	}
	if m := &w.s.Shims[i]; w.c.Members[i].Gate && m.Is == Runs && !m.Started {
		w.feed(StartupPassed{Member: i})
		return true
	}
	if at := w.s.Wake(w.c); at != 0 && (w.rng == nil || w.now >= at) && w.connected() {
		w.now = max(w.now, at)
		w.feed(Tick{})
		return true
	}
	return false
}

// connected says whether every live shim is: Settle is longer than a live shim takes for that.
func (w *world) connected() bool {
	for i := range w.pods {
		if s := w.pods[i].shim; s != nil && (!s.connected || len(s.out) > 0) {
			return false
		}
	}
	return true
}

func (w *world) coin() bool { return w.rng == nil || w.rng.IntN(2) == 0 }

// drain lets everything that is due happen, without further faults, and then looks at the result.
func (w *world) drain() {
	w.logf("drain")
	w.rng = nil
	if !w.up {
		w.boot()
	}
	for range 10_000 {
		moved := false
		for i := range w.pods {
			moved = w.move(i) || moved
			if s := w.pods[i].shim; s != nil && s.is == Runs && (w.c.Members[i].Role == Init || w.c.Members[i].Role == Twin) {
				s.is, s.code = Ended, 0
				w.completes(i)
				w.report(i, false)
				moved = true
			}
		}
		if !moved && (w.over() || !w.kubelet()) || w.err != nil {
			w.settled()
			return
		}
	}
	w.failf("it never comes to rest, in %s", w.s.Phase)
}

// over says whether the kubelet starts nothing any more.
func (w *world) over() bool { return w.deleting || w.s.Phase == Ending || w.s.Phase == Failing }

// settled holds what must be so when everything has come to rest.
func (w *world) settled() {
	switch w.s.Phase {
	case Running:
		w.settledRunning()
	case Ending, Failing:
		if w.s.Phase == Ending {
			w.faults.ended++
		} else {
			w.faults.failed++
		}
		for i := range w.pods {
			if s := w.pods[i].shim; s != nil && w.c.Members[i].Role == Regular && s.is != New {
				w.failf("in %s container %d is still there, %d", w.s.Phase, i, s.is)
			}
		}
	case Terminating:
		w.faults.deleted++
		if !w.deleting {
			w.failf("Terminating, but nobody deletes")
		}
	default:
		w.failf("at rest in %s: %+v, members %+v, containers %+v", w.s.Phase, w.s, w.c.Members, w.pods)
	}
}

func (w *world) settledRunning() {
	failedInit := false
	for i := range w.pods {
		failedInit = failedInit || w.c.Members[i].Role == Init && w.pods[i].gone && !w.pods[i].completed
	}
	for i := range w.pods {
		m, p := &w.c.Members[i], &w.pods[i]
		if m.Role != Regular && m.Role != Sidecar || failedInit {
			continue
		}
		if p.shim == nil {
			if !p.gone && !p.started {
				w.failf("%s[%d] never started", m.Name, i)
			}
			continue
		}
		s := p.shim
		if !(s.is == Runs && s.gen == w.s.Gen) && s.is != Ended && !(s.is == New && w.s.Members[i].Over) {
			w.failf("at rest in Running (restart %d), but %s[%d] is %d of restart %d", w.s.Gen, m.Name, i, s.is, s.gen)
		}
	}
}
