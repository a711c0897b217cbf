package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// Book keeps a Pod's Status from what happens. It is pure: it is told the time. What it holds is bounded by
// the Pod's containers. Make one with NewBook or Reopen.
type Book struct {
	status Status
	// attempts are those that run or ran last, by container; 0: unknown, or none.
	attempts map[string]int
	lastID   int
	told     int
	// restarting and since are Report's.
	restarting bool
	since      time.Time
	// waiting are the restarts that wait for their back-off, by container; "" is the whole Pod's.
	waiting map[string]Next

	wholePod   bool
	containers map[string]Container
	changed    bool
}

// Container is what a Book has to know of one.
type Container struct {
	// Counts is the container whose restarts its starts are: itself, or the init container that it replays.
	Counts string
	// Twin says that each start is a restart: that of an init container whose own container has run.
	Twin bool
	// MaxRestarts is how often it may restart; 0: no limit.
	MaxRestarts int
}

// NewBook is the book of a Pod of these containers, by name, of which nothing is known yet. wholePod is
// Report.WholePod.
func NewBook(containers map[string]Container, wholePod bool, now time.Time) *Book {
	b := &Book{attempts: map[string]int{}, waiting: map[string]Next{}, wholePod: wholePod, containers: containers, since: now,
		status: Status{Version: Version, Phase: "Running", ObservedAt: now, Restarts: map[string]int{}}}
	for _, c := range containers {
		b.status.Restarts[c.Counts] = 0
	}
	b.changed = wholePod // of others there is nothing to tell before something happens
	return b
}

// saved is a Book on disk.
type saved struct {
	Status   Status         `json:"status"`
	Attempts map[string]int `json:"attempts"`
	LastID   int            `json:"lastID"`
	Told     int            `json:"told"`
	// Restarting and Since are Report's.
	Restarting bool      `json:"restarting"`
	Since      time.Time `json:"since"`
}

// Reopen is NewBook, going on from what Save has given to an earlier watcher of the Pod.
func Reopen(text []byte, containers map[string]Container, wholePod bool, now time.Time) (*Book, error) {
	b := NewBook(containers, wholePod, now)
	var s saved
	if err := json.Unmarshal(text, &s); err != nil {
		return b, fmt.Errorf("read what was known of the Pod's restarts: %w", err)
	}
	if s.Status.Version != Version {
		return b, nil // another release's; counting begins anew
	}
	for name := range b.status.Restarts {
		b.status.Restarts[name] = s.Status.Restarts[name]
	}
	for name := range containers {
		b.attempts[name] = s.Attempts[name]
	}
	b.status.Last, b.status.Recent = s.Status.Last, s.Status.Recent
	b.status.Failed, b.status.Stuck = s.Status.Failed, s.Status.Stuck
	b.status.Paused = s.Status.Paused
	b.lastID, b.told, b.restarting, b.since = s.LastID, s.Told, s.Restarting, s.Since
	if !now.After(s.Status.ObservedAt) {
		b.status.ObservedAt = s.Status.ObservedAt.Add(1)
	}
	b.changed = b.changed || b.told < b.lastID
	return b, nil
}

// Save is what Reopen needs.
func (b *Book) Save() ([]byte, error) {
	text, err := json.Marshal(saved{b.status, b.attempts, b.lastID, b.told, b.restarting, b.since})
	if err != nil {
		return nil, fmt.Errorf("encode what is known of the Pod's restarts: %w", err)
	}
	return text, nil
}

// Changed says whether there is something new since it was last asked.
func (b *Book) Changed() bool {
	c := b.changed
	b.changed = false
	return c
}

// Report is everything that is known.
func (b *Book) Report(pod Pod) *Report {
	s := b.status
	s.Restarts, s.Recent = maps.Clone(s.Restarts), slices.Clone(s.Recent)
	s.Next = b.next()
	return &Report{Version: Version, Pod: pod, WholePod: b.wholePod, Restarting: b.restarting, Since: b.since, Told: b.told, Status: s}
}

// next is the first of those that wait.
func (b *Book) next() (first *Next) {
	for _, n := range b.waiting {
		if first == nil || n.At.Before(first.At) || n.At.Equal(first.At) && n.Container < first.Container {
			first = &n
		}
	}
	return first
}

// touch notes a change. Of two reports that observed later counts, whatever becomes of the clock.
func (b *Book) touch(now time.Time) {
	b.changed = true
	if !now.After(b.status.ObservedAt) {
		now = b.status.ObservedAt.Add(1)
	}
	b.status.ObservedAt = now
}

// Told notes that the webhook was told everything up to that ID.
func (b *Book) Told(id int) { b.told = max(b.told, id) }

// Enter notes the phase of the Pod, and whether a restart of the whole Pod is under way.
func (b *Book) Enter(phase string, restarting bool, now time.Time) {
	if phase == b.status.Phase && restarting == b.restarting {
		return
	}
	if restarting != b.restarting {
		b.restarting, b.since = restarting, now
	}
	b.status.Phase = phase
	b.touch(now)
}

// Pause notes where no rule acts, as Status.Paused.
func (b *Book) Pause(paused string, now time.Time) {
	if cut(paused) == b.status.Paused {
		return
	}
	b.status.Paused = cut(paused)
	b.touch(now)
}

// Exited notes that a container's command has ended and starts again after wait.
func (b *Book) Exited(container string, attempt int, wait time.Duration, now time.Time) {
	if wait <= 0 {
		return
	}
	b.waiting[container] = Next{Container: b.containers[container].Counts, At: now.Add(wait), Attempt: attempt + 1, Max: b.containers[container].MaxRestarts}
	b.touch(now)
}

// Ended notes that a container's command has ended for good.
func (b *Book) Ended(container string, now time.Time) {
	if _, ok := b.waiting[container]; ok {
		delete(b.waiting, container)
		b.touch(now)
	}
}

// Started notes a start of a container's command. cause is the restart that it is, without an ID and its
// Time; nil: it is a first start, or part of a restart of the whole Pod.
func (b *Book) Started(container string, attempt int, cause *Restart, now time.Time) {
	c, known := b.containers[container]
	if !known {
		return
	}
	before := b.attempts[container]
	b.attempts[container] = attempt
	restarts := 0
	switch {
	case before > 0 && attempt > before:
		restarts = attempt - before
	case c.Twin:
		restarts = 1
	}
	_, waited := b.waiting[container]
	delete(b.waiting, container)
	if restarts == 0 && !waited {
		return
	}
	b.status.Restarts[c.Counts] += restarts
	b.touch(now)
	if cause != nil && restarts > 0 {
		r := *cause
		r.Time = now
		b.status.Last = b.add(r)
	}
}

// Replayed notes that an init container was run again without a twin.
func (b *Book) Replayed(container string, now time.Time) {
	if _, ok := b.status.Restarts[container]; ok {
		b.status.Restarts[container]++
		b.touch(now)
	}
}

// Lost notes that a container's shim is gone: what its successor starts is no restart in place.
func (b *Book) Lost(container string, now time.Time) {
	delete(b.attempts, container)
	b.Ended(container, now)
}

// Began notes that a restart of the whole Pod, or its end by a rule, has begun. count is the how manieth.
func (b *Book) Began(r Restart, count int, wait time.Duration, now time.Time) {
	clear(b.waiting)
	if wait > 0 {
		b.waiting[""] = Next{Container: r.Container, At: now.Add(wait), Attempt: count}
	}
	r.Time = now
	if last := b.add(r); r.Action == ActionTerminate {
		b.status.Last = last
	} else {
		b.restarting, b.since = true, now
	}
	b.touch(now)
}

// Finished notes that the restart of the whole Pod that began last is over.
func (b *Book) Finished(took time.Duration, now time.Time) {
	clear(b.waiting)
	if r := b.status.LastRestartAll(); r != nil {
		r.DurationMicros = max(took.Microseconds(), 1)
		last := *r
		b.status.Last = &last
	}
	b.restarting, b.since = false, now
	b.touch(now)
}

// GaveUp notes that the Pod fails, and the process because of which; nil: there is none.
func (b *Book) GaveUp(why string, stuck *Stuck, now time.Time) {
	clear(b.waiting)
	b.lastID++
	b.status.Failed = &Failure{ID: b.lastID, Time: now, Message: cut(why)}
	if b.status.Stuck = stuck; stuck != nil {
		stuck.Name = cut(stuck.Name)
	}
	b.touch(now)
}

// add gives r an ID and appends it to those that are remembered. It returns it as it is then.
func (b *Book) add(r Restart) *Restart {
	b.lastID++
	r.ID, r.Reason = b.lastID, cut(r.Reason)
	recent := append(b.status.Recent, r)
	b.status.Recent = slices.Clone(recent[max(0, len(recent)-MaxRecent):])
	return &r
}

// cut shortens a text to MaxText bytes, in front of a rune.
func cut(text string) string {
	if len(text) <= MaxText {
		return text
	}
	end := MaxText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
