package write

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/client-go/util/workqueue"

	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/report/receive"
)

// DefaultWritesPerSecond is Options.WritesPerSecond where nothing else is said.
const DefaultWritesPerSecond = 50

const (
	// maxPods is of how many Pods something is remembered. When it is full of Pods with something to write,
	// no more is taken.
	maxPods = 20_000
	// rememberPod is how long nothing has to come from a Pod before it is forgotten, and what was written with it.
	rememberPod = 10 * time.Minute
	// writers write at once. The API server is asked for one thing at a time by each.
	statusWriters, eventWriters = 4, 2
	// retries of a write, with pauses from retryFirst, doubled up to retryLast.
	maxRetries            = 15
	retryFirst, retryLast = 200 * time.Millisecond, time.Minute
	// writeTimeout bounds one.
	writeTimeout = 10 * time.Second
	// component is what Events are from.
	component = "restartrules"
)

// Options are those of a Writer.
type Options struct {
	// WritesPerSecond is how many requests that write are made in any second, in all. At least 1.
	WritesPerSecond int
}

// Writer writes what it is given. It is a receive.Sink.
type Writer struct {
	client      kubernetes.Interface
	limit       flowcontrol.RateLimiter
	nodes       *nodes
	log         logr.Logger
	metrics     *metrics
	broadcaster record.EventBroadcaster
	recorder    record.EventRecorder
	now         func() time.Time

	// statuses and events have the UIDs of Pods of which something is to be written.
	statuses, events workqueue.TypedRateLimitingInterface[string]

	mu   sync.Mutex
	pods map[string]*pod // by UID
}

// pod is what is known of a Pod.
type pod struct {
	identity receive.Identity
	// latest is the newest report; nil: it is written.
	latest *report.Report
	// observed is the newest report's.
	observed time.Time
	// events wait to be written; eventID is the highest ID of those that were ever here.
	events  []event
	eventID int
	// shownID is the restart of the whole Pod for which the condition has been True.
	shownID int
	// underway is the restart of the whole Pod that was not over in the newest report, or 0.
	underway int
	// written is the last patch.
	written string
	touched time.Time
}

// New returns a Writer. Nothing is written before Run.
func New(client kubernetes.Interface, log logr.Logger, registry prometheus.Registerer, o Options) (*Writer, error) {
	w := &Writer{client: client, log: log, limit: limiter(o.WritesPerSecond), now: time.Now, pods: map[string]*pod{}}
	w.nodes = &nodes{client: client, now: time.Now, known: map[string]known{}}
	var err error
	if w.metrics, err = newMetrics(registry, w); err != nil {
		return nil, err
	}
	queue := func() workqueue.TypedRateLimitingInterface[string] {
		return workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryLast))
	}
	w.statuses, w.events = queue(), queue()
	return w, nil
}

// limiter lets at most n through in any second: what may come at once counts, too.
func limiter(n int) flowcontrol.RateLimiter {
	burst := max(n/10, 1)
	return flowcontrol.NewTokenBucketRateLimiter(float32(max(n-burst, 1)), burst)
}

// Put takes a report. It returns receive.ErrFull if too many Pods have something to be written.
func (w *Writer) Put(identity receive.Identity, r *report.Report) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pods[identity.UID]
	if p == nil {
		if len(w.pods) >= maxPods && !w.forget() {
			return receive.ErrFull
		}
		p = &pod{eventID: r.Told, shownID: shownBefore(r)}
		w.pods[identity.UID] = p
	}
	p.identity, p.touched = identity, w.now()
	if r.Status.ObservedAt.Before(p.observed) {
		return nil // a newer one has overtaken it
	}
	fresh := events(r, p.eventID)
	w.metrics.count(identity.Namespace, r, p.eventID)
	p.underway = w.metrics.measure(r, p.eventID, p.underway)
	for _, e := range fresh {
		p.eventID = e.id
	}
	p.events = append(p.events, fresh...)
	p.events = p.events[max(0, len(p.events)-report.MaxRecent):]
	p.latest, p.observed = r, r.Status.ObservedAt
	w.statuses.Add(identity.UID)
	if len(p.events) > 0 {
		w.events.Add(identity.UID)
	}
	return nil
}

// shownBefore is the last restart of the whole Pod that was told of before.
func shownBefore(r *report.Report) int {
	if last := r.Status.LastRestartAll(); last != nil {
		return min(last.ID, r.Told)
	}
	return 0
}

// forget forgets Pods of which nothing was heard for long, and returns whether there is room then. If there
// is none it forgets any Pod of which nothing is to be written. The mutex is held.
func (w *Writer) forget() bool {
	now := w.now()
	for _, long := range []time.Duration{rememberPod, 0} {
		for uid, p := range w.pods {
			if p.latest == nil && len(p.events) == 0 && now.Sub(p.touched) >= long {
				delete(w.pods, uid)
			}
		}
		if len(w.pods) < maxPods {
			return true
		}
	}
	return false
}

// Run writes until ctx ends, and then what is left for at most that long. It is to be called once.
func (w *Writer) Run(ctx context.Context, atMost time.Duration) {
	w.broadcaster = record.NewBroadcaster(record.WithContext(context.WithoutCancel(ctx)))
	defer w.broadcaster.Shutdown()
	w.recorder = w.broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: component})
	sink := counted{&typedcorev1.EventSinkImpl{Interface: w.client.CoreV1().Events("")}, w.metrics, make(chan struct{}, 1)}
	w.broadcaster.StartRecordingToSink(sink)

	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var all sync.WaitGroup
	for range statusWriters {
		all.Go(func() { w.work(writing, w.statuses, w.writeStatus) })
	}
	for range eventWriters {
		all.Go(func() { w.work(writing, w.events, w.writeEvents) })
	}
	sweep := time.NewTicker(rememberPod)
	defer sweep.Stop()
	for ctx.Err() == nil {
		select {
		case <-sweep.C:
			w.mu.Lock()
			w.forget()
			w.mu.Unlock()
		case <-ctx.Done():
		}
	}
	late := time.AfterFunc(atMost, stop)
	defer late.Stop()
	w.statuses.ShutDown() // who works on goes on until nothing is left
	w.events.ShutDown()
	all.Wait()
	w.flush(writing, sink.flushed)
}

// flush waits until the recorder has written what it was given, which it does in that order, and on a goroutine of
// its own that nobody else waits for.
func (w *Writer) flush(ctx context.Context, flushed <-chan struct{}) {
	again := time.NewTicker(retryFirst)
	defer again.Stop()
	for {
		// It drops what it has no room for.
		w.recorder.Event(&corev1.ObjectReference{Kind: "Pod", Name: reasonFlush}, corev1.EventTypeNormal, reasonFlush, "")
		select {
		case <-flushed:
			return
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// reasonFlush is of an Event that is never written.
const reasonFlush = "flush"

// work deals with what is in a queue until that is shut down and empty, or ctx ends.
func (w *Writer) work(ctx context.Context, queue workqueue.TypedRateLimitingInterface[string], write func(context.Context, string) error) {
	for {
		uid, shutDown := queue.Get()
		if shutDown {
			return
		}
		var err error
		if ctx.Err() == nil {
			err = write(ctx, uid)
		}
		switch {
		case err == nil:
			queue.Forget(uid)
		case queue.NumRequeues(uid) < maxRetries && ctx.Err() == nil:
			w.log.V(1).Info("write again", "uid", uid, "error", err.Error())
			queue.AddRateLimited(uid)
		default:
			w.log.Error(err, "what a Pod has reported can't be written, and is given up", "uid", uid)
			queue.Forget(uid)
			w.giveUp(uid)
		}
		queue.Done(uid)
	}
}

// giveUp forgets what is to be written of a Pod.
func (w *Writer) giveUp(uid string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.pods[uid]; p != nil {
		p.latest, p.events, p.written = nil, nil, ""
	}
}

// waiting is how many Pods have something to be written.
func (w *Writer) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, p := range w.pods {
		if p.latest != nil || len(p.events) > 0 {
			n++
		}
	}
	return n
}

// counted is a sink of Events that counts what it does.
type counted struct {
	record.EventSink
	metrics *metrics
	flushed chan struct{}
}

func (c counted) Create(e *corev1.Event) (*corev1.Event, error) {
	if e.Reason == reasonFlush {
		select {
		case c.flushed <- struct{}{}:
		default:
		}
		return e, nil
	}
	e, err := c.EventSink.Create(e)
	c.metrics.wrote("event", err)
	return e, err
}

func (c counted) Patch(e *corev1.Event, data []byte) (*corev1.Event, error) {
	if e.Reason == reasonFlush { // once more
		return c.Create(e)
	}
	e, err := c.EventSink.Patch(e, data)
	c.metrics.wrote("event", err)
	return e, err
}

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
		if err := w.limit.Wait(ctx); err != nil {
			return fmt.Errorf("wait to write an Event: %w", err)
		}
		// It is written beside, once: the recorder drops what is too much of one Pod.
		w.recorder.Event(about, e.kind, e.reason, e.message)
	}
	return nil
}
