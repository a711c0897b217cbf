//go:build e2e

package reports

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"restartrules.dev/e2e/testcluster"
)

// TestWebhookDown: without a webhook a restart is what it is with one. What there is to tell is told when it is
// back. It is not parallel: meanwhile no Pod is injected.
func TestWebhookDown(t *testing.T) {
	p := newPod(t, restartsAll, nil)
	p.await("the condition, from the start", isCondition(corev1.ConditionFalse, ""))
	p.scale(0)
	back := false
	t.Cleanup(func() {
		if !back {
			p.scale(1)
		}
	})
	exited := p.exit(restartAllCode)
	took := time.Duration(p.events(app, "start", 2) - exited)
	p.exit(restartAllCode)
	p.exit(restartCode)
	require.False(t, p.any(func(s *sight) bool { return s.event != nil && s.event.Source.Component == "restartrules" }))
	p.scale(1)
	back = true
	ready := monotonic()
	seen := p.await("all of it", func(s *sight) bool {
		status := s.status(t)
		return status != nil && status.Restarts[app] == 3 && isCondition(corev1.ConditionFalse, "")(s)
	})
	require.Equal(t, map[string]int{setup: 2, app: 3, worker: 2}, seen.status(t).Restarts)
	p.await("the Event", p.isEvent("RestartAllContainersStarted", 2))
	p.await("the other", p.isEvent("RestartedInPlace", 1))
	t.Logf("restarted in %s with no webhook; told %s after it was back", took, time.Duration(monotonic()-ready))
}

// scale scales the webhook, and returns when that is so.
func (p *pod) scale(replicas int) {
	p.Helper()
	ctx := p.contextForCleanup()
	patch := []byte(`{"spec": {"replicas": ` + string(rune('0'+replicas)) + `}}`)
	_, err := p.API.AppsV1().Deployments(system).Patch(ctx, deployment, types.MergePatchType, patch, metav1.PatchOptions{}, "scale")
	require.NoError(p, err)
	require.NoError(p, testcluster.Eventually(ctx, func() (bool, error) {
		pods, err := p.API.CoreV1().Pods(system).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
		return err == nil && len(pods.Items) == replicas && (p.service.endpoint() != "") == (replicas > 0), err
	}))
}
