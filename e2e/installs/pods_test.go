//go:build e2e

package installs

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

// restarting is a Pod that restarts in place every second or two, for ever.
func restarting(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{api.RulesAnnotation: `
containers:
  app:
    restartPolicy: Never
    restartPolicyRules:
    - action: Restart
      exitCodes: {operator: In, values: [42]}
    backoff: {initialDelay: 1s, maxDelay: 1s}
`}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "app", Image: "busybox:stable", Command: []string{"sh", "-c", "sleep 0.5; exit 42"}}},
		},
	}
}

// injected tells whether a Pod, as it is now, is.
func injected(pod *corev1.Pod) bool {
	return pod.Labels[api.ModeLabel] == api.ModeEmulated && pod.Annotations[api.PlanAnnotation] != ""
}

// create creates a Pod, as soon as the webhook answers: a Service's endpoints come a moment after its Pods are ready.
func create(t *testing.T, c *testcluster.Cluster, namespace string, pod *corev1.Pod) {
	t.Helper()
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		made, err := c.API.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
		if err != nil {
			return false, nil
		}
		require.True(t, injected(made), "created, but not injected: %s", pod.Name)
		return true, nil
	}))
}

// restarts are how often the container app of a Pod has restarted in place, by its log.
func restarts(t *testing.T, c *testcluster.Cluster, namespace, name string) int {
	t.Helper()
	return strings.Count(logs(t, c, namespace, name, "app"), " action=Restart ")
}

// logs are a container's; empty while it has none.
func logs(t *testing.T, c *testcluster.Cluster, namespace, name, container string) string {
	t.Helper()
	stream, err := c.API.CoreV1().Pods(namespace).GetLogs(name, &corev1.PodLogOptions{Container: container}).Stream(t.Context())
	if err != nil {
		return ""
	}
	defer stream.Close()
	text, err := io.ReadAll(stream)
	require.NoError(t, err)
	return string(text)
}

// goesOn requires that a Pod restarts in place twice more, and that it is still the same: no container was ever
// restarted by the kubelet.
func goesOn(t *testing.T, c *testcluster.Cluster, namespace, name string) {
	t.Helper()
	before := restarts(t, c, namespace, name)
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		return restarts(t, c, namespace, name) >= before+2, nil
	}), "%s no longer restarts", name)
	pod, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, corev1.PodRunning, pod.Status.Phase)
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		require.Zero(t, status.RestartCount, status.Name)
	}
}

// example starts examples/NAME.yaml, a Pod of that name, and returns what waits until it has succeeded with this many
// restarts in place.
func example(t *testing.T, c *testcluster.Cluster, namespace, name string, want int) (succeeds func()) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "examples", name+".yaml"))
	require.NoError(t, err)
	var pod corev1.Pod
	require.NoError(t, yaml.UnmarshalStrict(text, &pod))
	create(t, c, namespace, &pod)
	return func() {
		t.Helper()
		require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
			now, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
			return err == nil && now.Status.Phase == corev1.PodSucceeded, err
		}), name)
		got := strings.Count(logs(t, c, namespace, name, pod.Spec.Containers[0].Name), " action=Restart ")
		require.Equal(t, want, got, "restarts in place of %s", name)
	}
}

// webhookPods are the Pods of the webhook that are there to stay.
func webhookPods(ctx context.Context, c *testcluster.Cluster) ([]corev1.Pod, error) {
	list, err := c.API.CoreV1().Pods(systemNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
	if err != nil {
		return nil, err
	}
	var pods []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			pods = append(pods, pod)
		}
	}
	return pods, nil
}
