package write

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/report/receive"
)

const (
	// busy is how many Pods wait when there is no time any more for what was in between.
	busy = 50
	// showFor is how old a restart may be whose condition is still shown as it was.
	showFor = time.Minute
	// surelyWritten is how long what was written is still there. Later another replica may have written something older,
	// which had to wait there; what a watcher says once more is then written once more, if there is time.
	surelyWritten = time.Minute
)

// task is what is written of a Pod next.
type task struct {
	report   *report.Report
	identity receive.Identity
	// underway shows the last restart of the whole Pod as it was before it was over.
	underway bool
	// written is a patch that need not be made again.
	written string
}

// writeStatus writes annotation and condition of a Pod: first as they were when the last restart was under
// way, if nobody has seen that, and there is time; then as they are. What comes meanwhile waits behind other Pods.
func (w *Writer) writeStatus(ctx context.Context, uid string) error {
	for range 2 {
		t := w.task(uid)
		if t == nil {
			return nil
		}
		kind := corev1.PodConditionType("")
		if t.report.WholePod {
			var err error
			if kind, err = w.nodes.conditionType(ctx, t.identity.Node); err != nil {
				return err
			}
		}
		text, err := t.patch(kind)
		if err != nil {
			return err
		}
		if text != t.written {
			pod, err := w.patch(ctx, t.identity.Pod, text)
			if err != nil {
				return err
			}
			if pod == nil {
				w.giveUp(uid)
				return nil
			}
			w.look(uid, pod)
		}
		w.done(uid, t, text)
		if !t.underway {
			break
		}
	}
	return nil
}

// task is what is to be written of a Pod; nil: nothing.
func (w *Writer) task(uid string) *task {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pods[uid]
	if p == nil || p.latest == nil {
		return nil
	}
	t := &task{report: p.latest, identity: p.identity}
	if w.statuses.Len() >= busy || w.now().Sub(p.writtenAt) < surelyWritten {
		t.written = p.written
	}
	last := p.latest.Status.LastRestartAll()
	t.underway = p.latest.WholePod && last != nil && last.ID > p.shownID && !p.latest.Restarting &&
		w.now().Sub(last.Time) < showFor && w.statuses.Len() < busy
	return t
}

// done notes that a task was carried out.
func (w *Writer) done(uid string, t *task, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pods[uid]
	if p == nil {
		return
	}
	if text != t.written {
		p.written, p.writtenAt = text, w.now()
	}
	if last := t.report.Status.LastRestartAll(); last != nil {
		p.shownID = max(p.shownID, last.ID)
	}
	if p.latest == t.report && !t.underway {
		p.latest = nil
	}
}

// patch is the strategic merge patch of the Pod's subresource status. That takes metadata, too (upstream:
// pkg/registry/core/pod/strategy.go, podStatusStrategy), so one write will do, and no webhook is asked. kind
// is the condition's; empty: it has none.
func (t *task) patch(kind corev1.PodConditionType) (string, error) {
	status, err := json.Marshal(&t.report.Status)
	if err != nil {
		return "", fmt.Errorf("encode status: %w", err)
	}
	patch := map[string]any{"metadata": map[string]any{
		"uid":         t.identity.UID, // of this Pod only, not of one that has its name
		"annotations": map[string]string{api.StatusAnnotation: string(status)},
	}}
	if kind != "" {
		c := condition(t.report, t.underway)
		c.Type = kind
		patch["status"] = map[string]any{"conditions": []any{map[string]any{
			"type": c.Type, "status": c.Status, "reason": c.Reason, "message": c.Message, "lastTransitionTime": c.LastTransitionTime,
		}}}
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return "", fmt.Errorf("encode patch: %w", err)
	}
	return string(text), nil
}

// look notes what a Pod belongs to.
func (w *Writer) look(uid string, seen *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.pods[uid]; p != nil {
		of := workloadOf(seen)
		p.workload = &of
		w.count(p, of)
	}
}

// patch writes, and returns the Pod as it is then; nil: there is no such Pod any more. The only conflict is that with
// another UID.
func (w *Writer) patch(ctx context.Context, pod report.Pod, text string) (*corev1.Pod, error) {
	if err := w.limit.Wait(ctx); err != nil {
		return nil, fmt.Errorf("wait to write a status: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	seen, err := w.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, []byte(text), metav1.PatchOptions{}, "status")
	w.metrics.wrote("status", err)
	switch {
	case err == nil:
		return seen, nil
	case apierrors.IsNotFound(err), apierrors.IsConflict(err), apierrors.IsInvalid(err):
		w.log.V(1).Info("not written", "namespace", pod.Namespace, "name", pod.Name, "uid", pod.UID, "error", err.Error())
		return nil, nil
	default:
		return nil, fmt.Errorf("write the status of Pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
}
