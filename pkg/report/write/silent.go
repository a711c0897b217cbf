package write

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/report/receive"
)

const (
	// silentAfter is how long a watcher may take to tell how a restart has ended: no more than the longest pause of one
	// that could not tell (see pkg/report/outbox), and some more.
	silentAfter = 10 * time.Minute
	// lookEvery is how often those are looked at of whom something is due, lookAtMost how many then. Each takes a request.
	lookEvery, lookAtMost = time.Minute, 50
)

// due is when the next report is: a watcher that has said that a restart is under way, or waits for its back-off, says what
// has become of it. Zero: there need be none.
func (w *Writer) due(r *report.Report) time.Time {
	from := w.now()
	switch next := r.Status.Next; {
	case next != nil && next.At.After(from):
		from = next.At
	case next == nil && !r.Restarting:
		return time.Time{}
	}
	return from.Add(silentAfter)
}

// silent is how many watchers should have been heard.
func (w *Writer) silent() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pods {
		if p.silent {
			n++
		}
	}
	return n
}

// overdue are Pods whose watchers should have been heard, at most so many. They are due again later.
func (w *Writer) overdue(atMost int) (list []receive.Identity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	for _, p := range w.pods {
		if len(list) == atMost {
			break
		}
		if p.latest == nil && !p.due.IsZero() && p.due.Before(now) {
			p.due = now.Add(silentAfter)
			list = append(list, p.identity)
		}
	}
	return list
}

// lookForSilent looks at the Pods whose watchers should have been heard: they may be gone, or another replica has heard of
// them since, and has written it. To read Pods the webhook has no right, but it may patch their status: one that changes
// nothing is answered with the Pod. While much waits to be written nobody is looked for.
func (w *Writer) lookForSilent(ctx context.Context) {
	if w.statuses.Len() >= busy {
		return
	}
	for _, identity := range w.overdue(lookAtMost) {
		if err := w.lookAt(ctx, identity); err != nil {
			w.log.V(1).Info("can't look what has become of a Pod that is silent", "namespace", identity.Namespace, "name", identity.Name, "error", err.Error())
			return
		}
	}
}

func (w *Writer) lookAt(ctx context.Context, identity receive.Identity) error {
	nothing, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": identity.UID}})
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	seen, err := w.patch(ctx, identity.Pod, string(nothing))
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pods[identity.UID]
	if p == nil || p.latest != nil {
		return nil // it was heard meanwhile
	}
	var now report.Status
	switch {
	case seen == nil, seen.DeletionTimestamp != nil, seen.Status.Phase == corev1.PodSucceeded, seen.Status.Phase == corev1.PodFailed:
		delete(w.pods, identity.UID)
	case json.Unmarshal([]byte(seen.Annotations[api.StatusAnnotation]), &now) == nil && now.ObservedAt.After(p.observed):
		w.learn(p, &now)
		p.due = time.Time{} // it is the other replica's to wait
	default:
		p.silent = true
	}
	return nil
}
