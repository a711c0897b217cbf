package write

import (
	"context"
	"sync"
	"sync/atomic"
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
	// maxUncounted is how many restarts of a Pod wait until it is known what it belongs to.
	maxUncounted = 10 * report.MaxRecent
	// rememberPod is how long nothing has to come from a Pod before it is forgotten, and what was written with it.
	rememberPod = 10 * time.Minute
	// statusWriters write at once. The API server is asked for one thing at a time by each, and by the recorder.
	statusWriters = 4
	// maxRecording is how many Events the recorder is given before it has written them. It drops those that it has no
	// room for (upstream: k8s.io/client-go/tools/record/event.go, maxQueuedEvents).
	maxRecording = 100
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
	// recording is how many Events the recorder was given since it had written all.
	recording int
	// flushes counts how often it was asked to, flushed is up to which time it has, and news that it has again.
	flushes, flushed atomic.Int64
	news             chan struct{}
	now              func() time.Time

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
	// written is the last patch, writtenAt when that was.
	written   string
	writtenAt time.Time
	touched   time.Time
	// workload is what it belongs to; nil: nobody has looked at it yet. Then restarts wait in uncounted.
	workload  *workload
	uncounted []settled
	// due is when something new must have been heard; zero: nothing need be.
	due time.Time
	// silent says that nothing was.
	silent bool
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

// limiter lets at most n arrive at the API server in any second: what may go at once counts, too, and what each writer
// may have sent before and arrives late.
func limiter(n int) flowcontrol.RateLimiter {
	burst := max(n/20, 1)
	return flowcontrol.NewTokenBucketRateLimiter(float32(max(n-burst-statusWriters-1, 1)), burst)
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
		p = &pod{shownID: shownBefore(r)}
		w.pods[identity.UID] = p
		if r.Told == 0 {
			w.metrics.heard.WithLabelValues(identity.Namespace).Inc()
		}
	}
	p.identity, p.touched = identity, w.now()
	if r.Status.ObservedAt.Before(p.observed) {
		return nil // a newer one has overtaken it
	}
	p.eventID = max(p.eventID, r.Told) // another replica has heard of that
	fresh := events(r, p.eventID)
	w.learn(p, &r.Status)
	p.events = append(p.events, fresh...)
	p.events = p.events[max(0, len(p.events)-report.MaxRecent):]
	p.latest = r
	p.due = w.due(r)
	w.statuses.Add(identity.UID)
	if len(p.events) > 0 {
		w.events.Add(identity.UID)
	}
	return nil
}

// learn takes from a status what metrics count. The mutex is held.
func (w *Writer) learn(p *pod, s *report.Status) {
	var list []settled
	w.metrics.gaveUp(p.identity.Namespace, s, p.eventID)
	list, p.underway = settle(s, p.eventID, p.underway)
	w.metrics.measure(list)
	p.uncounted = append(p.uncounted, list...)
	switch {
	case p.workload != nil:
		w.count(p, *p.workload)
	case len(p.uncounted) > maxUncounted:
		w.count(p, workload{namespace: p.identity.Namespace, kind: noKind})
	}
	p.eventID, p.observed = max(p.eventID, s.LastID()), s.ObservedAt
	p.silent = false
}

// count counts what waited for it. The mutex is held.
func (w *Writer) count(p *pod, of workload) {
	w.metrics.count(of, p.uncounted)
	p.uncounted = nil
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
			expected := long > 0 && !p.due.IsZero()
			if p.latest == nil && len(p.events) == 0 && now.Sub(p.touched) >= long && !expected {
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
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	w.news = make(chan struct{}, 1)
	w.broadcaster.StartRecordingToSink(&sink{&typedcorev1.EventSinkImpl{Interface: w.client.CoreV1().Events("")}, w, writing})

	var all sync.WaitGroup
	for range statusWriters {
		all.Go(func() { w.work(writing, w.statuses, w.writeStatus) })
	}
	all.Go(func() { w.work(writing, w.events, w.writeEvents) })
	sweep := time.NewTicker(lookEvery)
	defer sweep.Stop()
	for ctx.Err() == nil {
		select {
		case <-sweep.C:
			w.mu.Lock()
			w.forget()
			w.mu.Unlock()
			w.lookForSilent(ctx)
		case <-ctx.Done():
		}
	}
	late := time.AfterFunc(atMost, stop)
	defer late.Stop()
	w.statuses.ShutDown() // who works on goes on until nothing is left
	w.events.ShutDown()
	all.Wait()
	w.flush(writing)
}

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
			w.metrics.dropped.Inc()
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
		w.count(p, workload{namespace: p.identity.Namespace, kind: noKind})
		p.latest, p.events, p.written, p.due, p.silent = nil, nil, "", time.Time{}, false
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
