package probe

import "time"

// maxTries is how often a probe is run in a row as long as it can't be run
// (upstream: pkg/kubelet/prober/prober.go, maxProbeRetries).
const maxTries = 3

// Worker says when the startupProbe and the livenessProbe of one container run, and what follows from
// their outcomes. It has neither a clock nor goroutines: now is in nanoseconds of any clock that is
// never set back, always the same one.
//
// It does what a worker of the kubelet does (upstream: pkg/kubelet/prober/worker.go) that is made when
// the command is started: its ticks are multiples of periodSeconds after the start, and the first probe
// is at the first tick that is not before initialDelaySeconds. A probe that takes longer than its period
// is run again at once. Deliberately different: the kubelet takes counts of an earlier start of the
// container into the next.
type Worker struct {
	probes [2]schedule // by Kind
	up     bool
	passed bool
	start  int64
	// starts counts the starts and stops: what was begun before one is of no concern after it.
	starts uint64
}

// schedule is one probe of the worker since the last start.
type schedule struct {
	spec *Spec
	// next is when it is to run, if it isn't running and not on hold.
	next    int64
	running bool
	// hold: a verdict was given, there is nothing to be found out before the next start.
	hold bool
	// tries is how often it could not be run in a row; if not 0 it is to run again at retry.
	tries int
	retry int64
	// last was the outcome of the last run runs.
	last Outcome
	runs int32
}

// Run is one run of a probe.
type Run struct {
	Kind Kind
	Spec *Spec
	of   uint64
}

// Verdict is what an outcome means for the container.
type Verdict uint8

// The verdicts.
const (
	// None: nothing follows.
	None Verdict = iota
	// StartupPassed: the startupProbe has passed; from now on the livenessProbe runs.
	StartupPassed
	// Failed: the container is to be killed. No probe of that kind runs before it has been started again.
	Failed
)

// NewWorker makes the worker of a container that is down. Either probe may be nil.
func NewWorker(startup, liveness *Spec) *Worker {
	w := new(Worker)
	w.probes[Startup].spec, w.probes[Liveness].spec = startup, liveness
	return w
}

// Started says that the container's command was started at that time, which may be in the past.
// Everything counts afresh.
func (w *Worker) Started(at int64) {
	w.up, w.start = true, at
	w.starts++
	w.passed = w.probes[Startup].spec == nil
	for i := range w.probes {
		p := &w.probes[i]
		*p = schedule{spec: p.spec}
		if p.spec != nil {
			ticks := max(1, (seconds(p.spec.InitialDelaySeconds)+p.period()-1)/p.period())
			p.next = at + ticks*p.period()
		}
	}
}

// Stopped says that the container's command has ended, is told to, or that the Pod is being deleted:
// nothing runs before the next start, and what runs now is of no concern.
func (w *Worker) Stopped() {
	w.up, w.passed = false, false
	w.starts++
}

// Up reports whether the container was started and not stopped since.
func (w *Worker) Up() bool { return w.up }

// Passed reports whether the container is up and its startupProbe has passed, or there is none.
func (w *Worker) Passed() bool { return w.up && w.passed }

// Next is when the next probe is due, which may be in the past. ok is false if none is: before a start,
// or before an outcome.
func (w *Worker) Next() (at int64, ok bool) {
	for k := range w.probes {
		if !w.waits(Kind(k)) {
			continue
		}
		if due := w.probes[k].due(); !ok || due < at {
			at, ok = due, true
		}
	}
	return at, ok
}

// Due begins a probe that is due. The caller runs it and passes the outcome to Result. It is to be
// called until ok is false.
func (w *Worker) Due(now int64) (run Run, ok bool) {
	for k := range w.probes {
		p := &w.probes[k]
		if !w.waits(Kind(k)) || p.due() > now {
			continue
		}
		p.running = true
		if p.tries == 0 { // another try belongs to the tick of the first
			p.next = w.tickAfter(p, now)
		}
		return Run{Kind: Kind(k), Spec: p.spec, of: w.starts}, true
	}
	return Run{}, false
}

// Result takes the outcome of a run. One that was begun before the last start or stop is dropped.
func (w *Worker) Result(run Run, outcome Outcome, now int64) Verdict {
	p := &w.probes[run.Kind]
	if run.of != w.starts || !p.running {
		return None
	}
	p.running = false
	if outcome != Success && outcome != Failure {
		if p.tries, p.retry = p.tries+1, now; p.tries == maxTries {
			p.tries = 0
		}
		return None
	}
	p.tries = 0
	if p.last == outcome {
		p.runs++
	} else {
		p.last, p.runs = outcome, 1
	}
	switch {
	case outcome == Failure && p.runs >= p.spec.FailureThreshold:
		p.hold = true
		return Failed
	case outcome == Success && p.runs >= p.spec.SuccessThreshold && run.Kind == Startup:
		p.hold, w.passed = true, true
		if l := &w.probes[Liveness]; l.spec != nil {
			l.next = max(l.next, w.tickAfter(l, now))
		}
		return StartupPassed
	}
	return None
}

// waits reports whether the probe waits for its time.
func (w *Worker) waits(k Kind) bool {
	p := &w.probes[k]
	return w.up && p.spec != nil && !p.running && !p.hold && (k == Startup || w.passed)
}

// tickAfter is the probe's first tick after that time. Ticks that pass while a probe runs are one, as
// with a time.Ticker: it is due when the probe has ended.
func (w *Worker) tickAfter(p *schedule, now int64) int64 {
	return w.start + ((now-w.start)/p.period()+1)*p.period()
}

// due is when the probe is to run.
func (s *schedule) due() int64 {
	if s.tries > 0 {
		return s.retry
	}
	return s.next
}

func (s *schedule) period() int64 { return seconds(s.spec.PeriodSeconds) }

func seconds(n int32) int64 { return int64(n) * int64(time.Second) }
