//go:build e2e

package reports

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/report"
)

// TestRestart: a restart in place of one container is an Event and in the annotation. A Pod that can't restart as a
// whole has no condition about that.
func TestRestart(t *testing.T) {
	t.Parallel()
	p := newPod(t, restarts, nil)
	p.exit(restartCode)
	seen := p.await("the Event", p.isEvent("RestartedInPlace", 1))
	require.Equal(t, "restarted in place: container app exited with code 42, which restartPolicyRules[0] (Restart) matches", seen.event.Message)
	require.Equal(t, corev1.EventTypeNormal, seen.event.Type)
	require.Equal(t, "restartrules", seen.event.Source.Component)
	status := p.status("one restart", func(s *report.Status) bool { return s.Restarts[app] == 1 })
	require.Equal(t, map[string]int{app: 1}, status.Restarts)
	require.Equal(t, "Running", status.Phase)
	require.Equal(t, app, status.Last.Container)
	require.Equal(t, report.ActionRestart, status.Last.Action)
	require.Equal(t, ptr.To(restartCode), status.Last.ExitCode)
	require.Positive(t, status.Last.DurationMicros)
	require.False(t, p.any(func(s *sight) bool { return s.condition() != nil }))
}

// TestRestartAllContainers: the condition is False from the start, True when the Pod restarts, and False again; the
// Event names who and why; the annotation counts each container.
func TestRestartAllContainers(t *testing.T) {
	t.Parallel()
	p := newPod(t, restartsAll, nil)
	seen := p.await("the condition, from the start", isCondition(corev1.ConditionFalse, ""))
	require.Empty(t, seen.condition().Message)
	const why = "container app exited with code 88, which restartPolicyRules[1] (RestartAllContainers) matches"

	for n := 1; n <= 2; n++ {
		p.exit(restartAllCode)
		seen = p.await("the condition while it restarts", isCondition(corev1.ConditionTrue, "RestartAllContainersStarted"))
		require.Equal(t, why, seen.condition().Message)
		seen = p.await("the condition afterwards", isCondition(corev1.ConditionFalse, ""))
		require.Regexp(t, `^all containers were restarted in place in [0-9.]+m?s: `, seen.condition().Message)
		require.Contains(t, seen.condition().Message, why)
		require.Equal(t, corev1.PodRunning, seen.pod.Status.Phase)
		status := seen.status(t)
		require.Equal(t, map[string]int{setup: n, app: n, worker: n}, status.Restarts)
		require.Equal(t, report.ActionRestartAll, status.Last.Action)
		require.Equal(t, ptr.To(restartAllCode), status.Last.ExitCode)
		require.Equal(t, 1, status.Last.Rule)
		require.Positive(t, status.Last.DurationMicros)
		event := p.await("the Event", p.isEvent("RestartAllContainersStarted", int32(n))).event
		require.Equal(t, "restarting all containers in place: "+why, event.Message)
		require.Equal(t, corev1.EventTypeNormal, event.Type)
	}
	p.exit(restartCode)
	status := p.status("one more of app", func(s *report.Status) bool { return s.Restarts[app] == 3 })
	require.Equal(t, map[string]int{setup: 2, app: 3, worker: 2}, status.Restarts)
	require.Len(t, status.Recent, 3)
	t.Logf("the annotation:\n%s", toJSON(status))
}

// TestBackOff: while a restart waits for its back-off the condition is True, and the annotation says when it comes.
func TestBackOff(t *testing.T) {
	t.Parallel()
	p := newPod(t, restartsLate, nil)
	p.exit(restartAllCode) // the first doesn't wait
	p.status("the first", func(s *report.Status) bool { return s.Restarts[app] == 1 && s.Last != nil })
	p.tell(restartAllCode)
	seen := p.await("that it waits", func(s *sight) bool {
		status := s.status(t)
		return status != nil && status.Next != nil
	})
	require.True(t, isCondition(corev1.ConditionTrue, "RestartAllContainersStarted")(seen), "%v", seen.condition())
	status := seen.status(t)
	require.Equal(t, "BackingOff", status.Phase)
	require.Equal(t, app, status.Next.Container)
	require.Equal(t, 2, status.Next.Attempt)
	seen = p.await("the condition afterwards", isCondition(corev1.ConditionFalse, ""))
	status = seen.status(t)
	require.Equal(t, map[string]int{setup: 2, app: 2, worker: 2}, status.Restarts)
	require.Nil(t, status.Next)
}

// TestWithoutServiceAccountToken: reports don't need automountServiceAccountToken.
func TestWithoutServiceAccountToken(t *testing.T) {
	t.Parallel()
	p := newPod(t, restartsAll, func(pod *corev1.Pod) { pod.Spec.AutomountServiceAccountToken = ptr.To(false) })
	p.exit(restartAllCode)
	p.await("the Event", p.isEvent("RestartAllContainersStarted", 1))
	p.status("the annotation", func(s *report.Status) bool { return s.Restarts[worker] == 1 })
}
