//go:build e2e

package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
)

// TestConfiguredPodRestartsInPlace: with all that testdata/configured adds a Pod runs, and does what its rules say. The
// Secret is not there: the image is, and the kubelet goes on without.
func TestConfiguredPodRestartsInPlace(t *testing.T) {
	t.Parallel()
	namespace := newNamespaceAs(t, "restartrules-configured-", optedIn)
	b := newPod(t, "configured", true, "-run=1s,0", "-exit=42").restartOn(42)
	b.Namespace = namespace
	b.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")}
	require.NoError(t, os.RemoveAll(filepath.Join(records, t.Name()))) // of a run before: the application goes on from there
	forbidden := b.DeepCopy()
	forbidden.Annotations[api.StrategyAnnotation] = api.StrategySandbox
	_, err := client.CoreV1().Pods(namespace).Create(t.Context(), forbidden, metav1.CreateOptions{})
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.ErrorContains(t, err, "strategy sandbox is not allowed here: the Configuration of Restart Rules")
	_, err = client.CoreV1().Pods(namespace).Create(t.Context(), &b.Pod, metav1.CreateOptions{})
	require.NoError(t, err)

	eventually(t, "restarted in place", func() bool {
		pod := getPod(t, namespace, b.Name)
		return status(pod, "app").State.Running != nil && strings.Contains(logsOf(t, namespace, b.Name, "app"), "attempt=1 exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=2 wait=0s")
	})
	pod := waitPod(t, namespace, b.Name, "ready", isReady)
	require.Zero(t, status(pod, "app").RestartCount)
	require.Equal(t, []corev1.LocalObjectReference{{Name: "mirror"}}, pod.Spec.ImagePullSecrets)
	require.Equal(t, map[string]string{"example.com/injected": "yes", api.ModeLabel: api.ModeEmulated}, pod.Labels)
	require.Equal(t, "42", pod.Annotations["example.com/cost-center"])
	require.Contains(t, pod.Spec.Containers[0].Command, "--backoff=1m/5m/10m")
	watcher := pod.Spec.InitContainers[0].Resources
	require.Equal(t, "20m", watcher.Requests.Cpu().String())
	require.Equal(t, "64Mi", watcher.Limits.Memory().String())
	require.Equal(t, corev1.PodQOSBurstable, pod.Status.QOSClass)
}
