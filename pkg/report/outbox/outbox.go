// Package outbox is the watcher's end of the reporter, a process of its own so that the watcher links no
// HTTP client. It runs only while there is something to tell.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Times of an Outbox.
const (
	// gather is how long the first change waits for more: a restart is over by then.
	gather = 200 * time.Millisecond
	// firstPause and lastPause are how long a reporter that could not deliver is not started again: doubled
	// from the first to the last, each by chance up to half longer or shorter.
	firstPause = time.Second
	lastPause  = 5 * time.Minute
	// farewell is how long what was not delivered when the watcher ends may still take.
	farewell = 2 * time.Second
	// confirm is about how long after a delivery the same is said once more: who took it may have died
	// before it wrote it down.
	confirm = 3 * time.Minute
)

// Outbox delivers the latest document that it was given, at least once. It never makes who gives it wait,
// and of two documents only the newer is delivered.
type Outbox struct {
	command []string
	log     *slog.Logger
	told    Told

	mu     sync.Mutex
	latest document
	// again is what is said once more when nothing new comes for a while; nil: nothing is.
	again []byte
	news  chan struct{} // has a value when latest is new
}

// Told is called, on a goroutine of the Outbox, with the ID of what was delivered. first says that it was
// for the first time: then Again may be called.
type Told func(ctx context.Context, id int, first bool)

// document is what is delivered. Seq counts them from 1.
type document struct {
	seq   uint64
	text  []byte
	id    int
	first bool
}

// New makes an Outbox of the reporter that the command starts. Nothing is started before Run, and not
// before the first Put.
func New(log *slog.Logger, told Told, command ...string) *Outbox {
	return &Outbox{command: command, log: log, told: told, news: make(chan struct{}, 1)}
}

// Put has the document, one line, delivered in place of all earlier ones. id is given back when it is.
func (o *Outbox) Put(text []byte, id int) {
	o.mu.Lock()
	o.latest, o.again = document{o.latest.seq + 1, text, id, true}, nil
	o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default: // whoever comes finds the latest
	}
}

// Again has this said some minutes from now, unless something is Put before.
func (o *Outbox) Again(text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.again = text
}

// repeat makes what Again was given the latest document.
func (o *Outbox) repeat() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.again != nil {
		o.latest, o.again = document{o.latest.seq + 1, o.again, o.latest.id, false}, nil
	}
}

func (o *Outbox) newest() document {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.latest
}

// Run delivers until ctx ends, and then for farewell what was not. The reporter has ended when it returns.
// It is to be called once.
func (o *Outbox) Run(ctx context.Context) {
	delivered, pause, again := uint64(0), time.Duration(0), false
	for o.wait(ctx, delivered, pause) {
		upTo, err := o.report(ctx, delivered)
		switch delivered = max(delivered, upTo); {
		case err == nil:
			pause, again = 0, false
		case errors.Is(err, errNotTold) && !again:
			pause, again = 0, true // it was about to go when the latest came
		case ctx.Err() == nil:
			pause = min(max(2*pause, firstPause), lastPause)
			o.log.Warn("the webhook was not told of restarts, which go on without", "error", err, "againAfter", pause.String())
		default:
			return
		}
	}
}

// wait waits until there is something to deliver, pause is over, and what belongs together has gathered. It
// returns false when ctx has ended and everything is delivered.
func (o *Outbox) wait(ctx context.Context, delivered uint64, pause time.Duration) bool {
	idle := time.NewTimer(byChance(confirm))
	defer idle.Stop()
	for o.newest().seq == delivered {
		select {
		case <-o.news:
		case <-idle.C:
			o.repeat()
		case <-ctx.Done():
			return o.newest().seq != delivered
		}
	}
	timer := time.NewTimer(max(byChance(pause), gather))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done(): // there is no time to gather, or to wait for a better one
	}
	return true
}

// byChance is the duration, by chance up to half longer or shorter.
func byChance(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.5 + rand.Float64()))
}
