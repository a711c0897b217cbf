package machine

import (
	"math/rand/v2"
	"slices"
	"time"

	"restartrules.dev/pkg/backoff"
)

// world is a Pod: its containers as the kubelet has them, the shims in them, and the watcher.
type world struct {
	rng    *rand.Rand
	log    func(string, ...any)
	err    error
	faults *faults

	c     *Config
	early []bool // of twins: a sidecar, started before all init containers
	pods  []container
	now   int64

	up       bool
	s        State
	journal  *Record
	checks   []int
	gate     []int // members whose startupProbe may pass
	deleting bool
	// replayed is, by init container, the last restart in which it completed.
	replayed []int
}

// container is one container as the kubelet has it, with its shim.
type container struct {
	started, completed, gone bool
	// before says that the kubelet has gone on to what comes after it once.
	before bool
	shim   *shim
}

// shim follows the contract of docs/architecture.md.
type shim struct {
	connected bool
	is        Is
	gen, code int
	endPod    bool
	out       []Report
	in        []Send
}

func newWorld(rng *rand.Rand, log func(string, ...any), f *faults) *world {
	w := &world{rng: rng, log: log, faults: f, c: &Config{Grace: time.Second, TerminationGrace: time.Second, KillTimeout: time.Minute}}
	if rng.IntN(2) == 0 {
		w.c.Backoff = backoff.Backoff{Initial: time.Second, Max: 4 * time.Second, Reset: time.Minute}
	}
	returns := rng.IntN(3) > 0
	initSource := rng.IntN(3) == 0
	add := func(m Member, early bool) {
		w.c.Members = append(w.c.Members, m)
		w.early = append(w.early, early)
	}
	inits := rng.IntN(4)
	for i := range inits {
		if rng.IntN(3) == 0 {
			add(Member{Name: "side", Role: Sidecar, Wrapped: true, Twin: -1, Gate: rng.IntN(2) == 0, Source: initSource && rng.IntN(2) == 0, Returns: true}, false)
		} else {
			add(Member{Name: "init" + string(rune('0'+i)), Role: Init, Wrapped: initSource, Twin: -1, Source: initSource && rng.IntN(2) == 0, Returns: returns}, false)
		}
	}
	for range 1 + rng.IntN(3) {
		add(Member{Name: "main", Role: Regular, Wrapped: true, Twin: -1, Source: rng.IntN(2) == 0, Returns: returns}, false)
	}
	for i := range inits {
		if w.c.Members[i].Role == Init {
			w.c.Members[i].Twin = len(w.c.Members)
			add(Member{Name: "twin", Role: Twin, Wrapped: true, Twin: i, Returns: returns || initSource}, initSource)
		}
	}
	w.pods = make([]container, len(w.c.Members))
	w.replayed = make([]int, len(w.c.Members))
	w.boot()
	return w
}

func (w *world) logf(format string, args ...any) {
	if w.log != nil {
		w.log(format, args...)
	}
}

// boot starts a watcher.
func (w *world) boot() {
	w.up = true
	var record *Record
	if w.journal != nil {
		r := *w.journal
		r.Members = slices.Clone(r.Members)
		record = &r
	}
	w.s = NewState(w.c, record, w.now)
	if w.deleting {
		w.feed(Deleting{})
		return
	}
	w.feed(Tick{})
}

// crash kills the watcher: what was not read, and what it was about to say, is gone.
func (w *world) crash() {
	w.logf("watcher killed in %s", w.s.Phase)
	w.faults.watchers++
	w.up, w.checks, w.gate = false, nil, nil
	for i := range w.pods {
		if s := w.pods[i].shim; s != nil {
			s.connected, s.out = false, nil
		}
	}
}

// feed has the watcher take an event. With some luck it is killed between two of the effects.
func (w *world) feed(e Event) {
	w.faults.events++
	w.logf("  event %T%+v", e, e)
	before := w.s.Phase
	var effects []Effect
	w.s, effects = Step(w.c, w.s, e, w.now)
	if w.s.Phase != before {
		w.logf("%s → %s (gen %d)", before, w.s.Phase, w.s.Gen)
	}
	killedAt := -1
	if w.rng != nil && len(effects) > 0 && w.rng.IntN(60) == 0 {
		killedAt = w.rng.IntN(len(effects) + 1)
	}
	for i, e := range effects {
		if i == killedAt {
			break
		}
		w.carryOut(e)
	}
	if killedAt >= 0 {
		w.crash()
	}
}

func (w *world) carryOut(e Effect) {
	switch e := e.(type) {
	case Write:
		r := w.s.clone().Record
		w.journal = &r
	case Send:
		if s := w.pods[e.Member].shim; s != nil && s.connected {
			s.in = append(s.in, e)
		}
	case Check:
		w.checks = append(w.checks, e.Gen)
	case Finished:
		w.faults.restarts++
	}
}

// started is called whenever a command starts because the watcher said so, and holds the order.
func (w *world) started(i int) {
	m, s := &w.c.Members[i], w.pods[i].shim
	w.logf("%s[%d] starts, gen %d", m.Name, i, s.gen)
	at := i
	if m.Role == Twin {
		at = m.Twin
	}
	for j := range w.pods {
		o := w.pods[j].shim
		if o == nil || j == i || o.is != Runs && o.is != Stops && o.is != Backs {
			continue
		}
		other := &w.c.Members[j]
		first := s.gen == 0 && o.gen == 0
		if o.gen < s.gen {
			w.failf("%s[%d] starts in restart %d while %s[%d] still runs since restart %d", m.Name, i, s.gen, other.Name, j, o.gen)
		}
		if (m.Role == Init || m.Role == Twin) && !(other.Role == Sidecar && j < at) && !first {
			w.failf("init container %d is run again (restart %d) beside %s[%d]", at, s.gen, other.Name, j)
		}
	}
	if s.gen == 0 {
		return
	}
	for j := range w.c.Members {
		if o := &w.c.Members[j]; o.Role == Init && (m.Role == Regular || j < at) && w.replayed[j] < s.gen {
			w.failf("%s[%d] starts in restart %d, but init container %d has not run again", m.Name, i, s.gen, j)
		}
	}
}

// told is what a shim does with a command.
func (w *world) told(i int, e Send) {
	s := w.pods[i].shim
	w.logf("%s[%d] (%d, gen %d) is told %d gen %d", w.c.Members[i].Name, i, s.is, s.gen, e.Verb, e.Gen)
	busy := s.is == Runs || s.is == Stops || s.is == Backs
	switch e.Verb {
	case Run:
		if (s.is == New || s.is == Parked) && e.Gen >= s.gen {
			s.gen, s.is = e.Gen, Runs
			w.started(i)
		}
	case Stop:
		if e.Gen > s.gen {
			s.gen = e.Gen
			switch s.is {
			case Runs:
				s.is, s.code = Stops, 143
			case Stops:
			default:
				s.is = Parked
			}
		}
	case EndShim:
		if !busy {
			if e.Code >= 0 {
				s.code = e.Code
			}
			w.end(i, s.code)
			return
		}
	}
	w.report(i, false)
}

func (w *world) report(i int, connected bool) {
	s := w.pods[i].shim
	if s.connected {
		s.out = append(s.out, Report{Member: i, Connected: connected, Is: s.is, Gen: s.gen, Code: s.code, EndPod: s.endPod})
	}
}

// end ends the container of member i.
func (w *world) end(i, code int) {
	p, m := &w.pods[i], &w.c.Members[i]
	w.logf("%s[%d] container ends with %d", m.Name, i, code)
	if m.Role == Init && code == 0 {
		p.completed = true
	}
	p.shim = nil
	if w.up {
		w.feed(Lost{Member: i})
	}
	again := m.Role == Sidecar || w.early[i] || code != 0 && m.Returns
	p.gone = !again
	p.started = p.gone
}
