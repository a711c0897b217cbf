package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// SetPaused has the annotation say that; empty: there is none.
func (c *Client) SetPaused(ctx context.Context, p *Pod, paused string) error {
	if err := p.Lives(); err != nil {
		return err
	}
	if !p.CanPause() {
		return p.Refuse("was injected by an earlier release, and can't be paused: create it anew")
	}
	var value any
	if paused != "" {
		value = paused
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": p.UID, "annotations": map[string]any{api.PausedAnnotation: value}}})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err = c.Kubernetes.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// ErrCantSee says that it can't be seen from here whether a Pod has taken up what its annotation says.
var ErrCantSee = errors.New("reports are off, and no command may be run in the Pod")

// AwaitPaused waits until the Pod's shims know what the annotation says. It looks at what the Pod reports, and asks its
// watcher where that is allowed. The error is ErrCantSee, or the context's, or says that the Pod is gone.
func (c *Client) AwaitPaused(ctx context.Context, p *Pod, paused string, every time.Duration) error {
	mayAsk := true
	for {
		now, err := c.Pod(ctx, p.Name)
		if err != nil {
			return err
		}
		if err := now.Lives(); err != nil {
			return err
		}
		if now.UID != p.UID {
			return p.Refuse("is gone: there is another of its name")
		}
		if at, ok := now.reportedPause(); ok && at == paused && now.Annotations[api.PausedAnnotation] == paused {
			return nil
		}
		if mayAsk {
			out, err := c.InWatcher(ctx, now, "/watcher", "paused")
			mayAsk = err == nil
			if err == nil && out.Code == 0 && strings.TrimSpace(out.Stdout) == paused {
				return nil
			}
		}
		if !mayAsk && !now.Reports() {
			return ErrCantSee
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

// reportedPause is what the Pod has reported last. ok is false if it never has, or nothing since it was made.
func (p *Pod) reportedPause() (paused string, ok bool) {
	text := p.Annotations[api.StatusAnnotation]
	if text == "" {
		return "", false
	}
	var s report.Status
	if json.Unmarshal([]byte(text), &s) != nil {
		return "", false
	}
	return s.Paused, true
}
