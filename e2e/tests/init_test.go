//go:build e2e

package tests

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

// initContainer adds an init container that runs the test application; its record is named after it.
func (b *builder) initContainer(name string, args ...string) *builder {
	b.container(name, args...)
	last := len(b.Spec.Containers) - 1
	b.Spec.InitContainers = append(b.Spec.InitContainers, b.Spec.Containers[last])
	b.Spec.Containers = b.Spec.Containers[:last]
	return b
}

func TestAnInitContainerOfOneTry(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		b := newPod(t, "init-one-try", shared).initContainer("migration", "-run=100ms", "-exit=7")
		b.Spec.RestartPolicy = corev1.RestartPolicyAlways
		b.Spec.InitContainers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyNever)
		p := b.create(t)
		pod := p.waitPhase(corev1.PodFailed)
		require.EqualValues(t, 7, status(pod, "migration").State.Terminated.ExitCode)
		require.Zero(t, status(pod, "migration").RestartCount)
		require.Equal(t, "start end", verbs(p.events("migration")))
		require.Empty(t, p.events("app"), "it never starts")
	})
}

func TestAnInitContainerRestartsInPlace(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		p := newPod(t, "init-retry", shared).initContainer("migration", "-run=100ms", "-exit=42,42,0").
			rules(`{"initContainers": {"migration": {"restartPolicy": "Never", "backoff": "none", "restartPolicyRules": [
				{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]}}}`).create(t)
		p.waitStarts("app", 1)
		pod := p.waitPhase(corev1.PodRunning)
		require.Equal(t, api.WatcherContainer, pod.Spec.InitContainers[0].Name)
		require.Equal(t, "start end start end start end", verbs(p.events("migration")))
		require.Zero(t, status(pod, "migration").RestartCount)
		require.Zero(t, status(pod, "migration").State.Terminated.ExitCode)
		require.Greater(t, p.events("app")[0].At, p.events("migration")[5].At, "the container after the init container")
	})
}
