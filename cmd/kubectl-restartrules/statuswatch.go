package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/cmd/kubectl-restartrules/internal/status"
)

// watchAgain is the pause before a watch that has ended begins anew.
const watchAgain = time.Second

// statusWatch shows Pods again when something of them has changed that is shown.
type statusWatch struct {
	warnings io.Writer
	wanted   *wantedPods
	columns  status.Columns
	// all says that all that is known is shown, in place of these columns.
	all bool
	// show shows one Pod.
	show func(p status.Pod) error

	// shown is how a Pod was shown last, but for how long ago things were.
	shown map[types.UID]string
}

// run watches until the context ends, which is no error.
func (w *statusWatch) run(ctx context.Context, client kubernetes.Interface) error {
	for {
		// Without a version the API server begins with what there is.
		changes, err := client.CoreV1().Pods(w.wanted.namespace).Watch(ctx, metav1.ListOptions{LabelSelector: emulated})
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		err = w.follow(ctx, changes)
		changes.Stop()
		if err != nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchAgain):
		}
	}
}

func (w *statusWatch) follow(ctx context.Context, changes watch.Interface) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case change, ok := <-changes.ResultChan():
			if !ok || change.Type == watch.Error {
				return nil // it begins anew
			}
			if pod, ok := change.Object.(*corev1.Pod); ok && w.wanted.has(pod) {
				if err := w.changed(change.Type, pod); err != nil {
					return err
				}
			}
		}
	}
}

func (w *statusWatch) changed(how watch.EventType, pod *corev1.Pod) error {
	if how == watch.Deleted {
		delete(w.shown, pod.UID)
		return nil
	}
	p, err := status.Of(pod)
	if err != nil {
		fmt.Fprintln(w.warnings, "Warning:", err)
		return nil
	}
	if text := w.withoutTime(p); text != w.shown[pod.UID] {
		w.shown[pod.UID] = text
		return w.show(p)
	}
	return nil
}

// withoutTime is how a Pod is shown, at a time that is always the same.
func (w *statusWatch) withoutTime(p status.Pod) string {
	var text strings.Builder
	if w.all {
		_ = json.NewEncoder(&text).Encode(p) // nothing of it can't be encoded, and a Builder takes all
		return text.String()
	}
	_ = status.Table(&text, []status.Pod{p}, w.columns, time.Time{})
	return text.String()
}
