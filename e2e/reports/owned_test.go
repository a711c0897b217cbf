//go:build e2e

package reports

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/report/write"
)

// TestTheKubeletOwnsTheCondition: a Pod that insists on emulation, on a kubelet that restarts all containers itself, has
// our condition, with another type, beside the kubelet's own. Neither takes the other's away.
func TestTheKubeletOwnsTheCondition(t *testing.T) {
	testcluster.Need(t, "feature gates, and the node's files here")
	const name = "reports-native"
	t.Cleanup(func() { require.NoError(t, testcluster.Down(name)) })
	c, err := bringUp(node.Options{Name: name, FeatureGates: node.Gates{compile.RestartFeature: true, compile.RestartAllFeature: true, "NodeDeclaredFeatures": true}})
	require.NoError(t, err)
	p := c.newPod(t, restartsAll, func(pod *corev1.Pod) { pod.Annotations[api.ModeAnnotation] = api.ModeEmulate })
	p.await("our condition, from the start", isConditionOf(write.OwnCondition, corev1.ConditionFalse, ""))
	for n := 1; n <= 2; n++ {
		p.exit(restartAllCode)
		p.await("our condition while it restarts", isConditionOf(write.OwnCondition, corev1.ConditionTrue, "RestartAllContainersStarted"))
		seen := p.await("our condition afterwards", isConditionOf(write.OwnCondition, corev1.ConditionFalse, ""))
		require.Contains(t, seen.conditionOf(write.OwnCondition).Message, "all containers were restarted in place in ")
		require.Equal(t, map[string]int{setup: n, app: n, worker: n}, seen.status(t).Restarts)
	}
	// The kubelet writes the status, too: when its container ends, at the latest.
	p.exit(restartCode)
	p.status("one more of app", func(s *report.Status) bool { return s.Restarts[app] == 3 })
	p.tell(0)
	p.await("that the kubelet says that app has ended", func(s *sight) bool {
		if s.pod == nil {
			return false
		}
		for _, status := range s.pod.Status.ContainerStatuses {
			if status.Name == app && status.State.Terminated != nil {
				return s.conditionOf(write.OwnCondition) != nil
			}
		}
		return false
	})

	had := false
	require.False(t, p.any(func(s *sight) bool {
		own := s.conditionOf(write.OwnCondition)
		lost := s.pod != nil && had && own == nil
		had = had || own != nil
		return lost
	}), "the kubelet has taken our condition away")
	require.False(t, p.any(func(s *sight) bool {
		c := s.condition()
		return c != nil && (c.Message != "" || c.Status == corev1.ConditionTrue)
	}), "we have written the kubelet's condition")
	require.False(t, p.any(func(s *sight) bool {
		if s.pod == nil {
			return false
		}
		for _, status := range s.pod.Status.ContainerStatuses {
			if status.RestartCount > 0 {
				return true
			}
		}
		return false
	}), "the kubelet has restarted something")
}
