package write

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"

	"restartrules.dev/pkg/report"
)

// writeEvents writes the Events of a Pod that wait. Those that come meanwhile wait behind other Pods.
func (w *Writer) writeEvents(ctx context.Context, uid string) error {
	for range report.MaxRecent {
		w.mu.Lock()
		p := w.pods[uid]
		if p == nil || len(p.events) == 0 {
			w.mu.Unlock()
			return nil
		}
		e, about := p.events[0], reference(p.identity.Pod)
		p.events = p.events[1:]
		w.mu.Unlock()
		// It is written beside: the recorder drops what is too much of one Pod.
		w.recorder.Event(about, e.kind, e.reason, e.message)
		if w.recording++; w.recording >= maxRecording {
			w.flush(ctx)
		}
	}
	return nil
}

// flush waits until the recorder has written what it was given, which it does in that order, and on a goroutine of
// its own that nobody else waits for.
func (w *Writer) flush(ctx context.Context) {
	w.recording = 0
	number := w.flushes.Add(1)
	// The recorder passes on only so many Events that are about the same.
	about := &corev1.ObjectReference{Kind: "Pod", Name: strconv.FormatInt(number, 10)}
	again := time.NewTicker(retryFirst)
	defer again.Stop()
	for w.flushed.Load() < number {
		// It drops what it has no room for.
		w.recorder.Event(about, corev1.EventTypeNormal, reasonFlush, "")
		select {
		case <-w.news:
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// reasonFlush is of an Event that is never written. What it is about is a number.
const reasonFlush = "flush"

// sink is where the recorder's Events go: to the API, no faster than may be, and counted.
type sink struct {
	record.EventSink
	*Writer
	ctx context.Context
}

// Create writes an Event that is new. The recorder calls it for one Event at a time.
func (s *sink) Create(e *corev1.Event) (*corev1.Event, error) {
	if e.Reason == reasonFlush {
		number, err := strconv.ParseInt(e.InvolvedObject.Name, 10, 64)
		s.flushed.Store(max(number, s.flushed.Load()))
		select {
		case s.news <- struct{}{}:
		default:
		}
		return e, err
	}
	return s.write(func() (*corev1.Event, error) { return s.EventSink.Create(e) })
}

// Patch counts an Event that is there.
func (s *sink) Patch(e *corev1.Event, data []byte) (*corev1.Event, error) {
	if e.Reason == reasonFlush { // once more
		return s.Create(e)
	}
	return s.write(func() (*corev1.Event, error) { return s.EventSink.Patch(e, data) })
}

func (s *sink) write(write func() (*corev1.Event, error)) (*corev1.Event, error) {
	if err := s.limit.Wait(s.ctx); err != nil {
		return nil, fmt.Errorf("wait to write an Event: %w", err)
	}
	e, err := write()
	s.metrics.wrote("event", err)
	return e, err
}
