//go:build e2e

package tests

import (
	"errors"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
)

// optedIn are the labels of a namespace whose Pods are injected.
var optedIn = map[string]string{api.InjectLabel: api.InjectEnabled}

// newNamespace makes a namespace for one test, ready for Pods. It is removed when the test is over.
func newNamespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	return newNamespaceAs(t, enabled+"-", labels)
}

// newNamespaceAs is newNamespace for one whose name begins so.
func newNamespaceAs(t *testing.T, prefix string, labels map[string]string) string {
	t.Helper()
	namespace, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: prefix, Labels: labels},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, client.CoreV1().Namespaces().Delete(contextForCleanup(t), namespace.Name, metav1.DeleteOptions{}))
	})
	eventually(t, "the namespace has a service account", func() bool {
		_, err := client.CoreV1().ServiceAccounts(namespace.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
	return namespace.Name
}

// getPod gets a Pod of any namespace.
func getPod(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	pod, err := client.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return pod
}

// waitPod waits until the condition holds for a Pod of any namespace.
func waitPod(t *testing.T, namespace, name, what string, condition func(*corev1.Pod) bool) (pod *corev1.Pod) {
	t.Helper()
	eventually(t, name+": "+what, func() bool {
		pod = getPod(t, namespace, name)
		return condition(pod)
	})
	return pod
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func isInjected(pod *corev1.Pod) bool {
	return len(pod.Spec.InitContainers) > 0 && pod.Spec.InitContainers[0].Name == api.WatcherContainer
}

// logsOf are the logs of a container in any namespace.
func logsOf(t *testing.T, namespace, name, container string) string {
	t.Helper()
	stdout, stderr, err := kubectl(t, "", "logs", "-n", namespace, name, "-c", container)
	require.NoError(t, err, stderr)
	return stdout
}

// quit makes the application of a container exit with its -quit code. What kubectl exec started for that
// may end with it, when everything that is left of the container is killed.
func (p *runningPod) quit(container string) {
	p.t.Helper()
	_, stderr, err := kubectl(p.t, "", "exec", "-n", enabled, p.name, "-c", container, "--", "killall", "-USR1", "app")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 137 {
		return
	}
	require.NoError(p.t, err, stderr)
}
