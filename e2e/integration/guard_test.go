//go:build integration

package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

const (
	webhookUser = "system:serviceaccount:restartrules-system:restartrules-webhook"
	condition   = `{"type": "AllContainersRestarting", "status": "False"}`
)

// TestGuard: even with all permissions the webhook's ServiceAccount changes of Pods only what it reports.
func TestGuard(t *testing.T) {
	policy := filepath.Join("..", "..", "manifests", "components", "guard", "policy.yaml")
	out, err := kubectl(nil, "apply", "-f", policy)
	require.NoError(t, err, out)
	out, err = kubectl(nil, "create", "clusterrolebinding", "guard-test", "--clusterrole=cluster-admin", "--user="+webhookUser)
	require.NoError(t, err, out)
	t.Cleanup(func() {
		for _, args := range [][]string{{"delete", "-f", policy}, {"delete", "clusterrolebinding", "guard-test"}} {
			out, err := kubectl(nil, args...)
			require.NoError(t, err, out)
		}
	})
	pod := create(t, newPod(newNamespace(t), withAnnotation("example.com/kept", "1")))
	patch := func(subresource, kind, text string) error {
		args := []string{"patch", "pod", pod.Name, "-n", pod.Namespace, "--as=" + webhookUser, "--type=" + kind, "-p=" + text}
		if subresource != "" {
			args = append(args, "--subresource="+subresource)
		}
		out, err := kubectl(nil, args...)
		if err != nil {
			require.Contains(t, out, "the webhook of Restart Rules ", text)
		}
		return err
	}
	require.Eventually(t, func() bool {
		return patch("", "merge", `{"metadata": {"labels": {"noticed": "no"}}}`) != nil
	}, patience, interval, "the API server has noticed the policy")

	const report = `{"metadata": {"uid": "UID", "annotations": {"restartrules.dev/status": "{}"}}, "status": {"conditions": [` + condition + `]}}`
	require.NoError(t, patch("status", "strategic", strings.Replace(report, "UID", string(pod.UID), 1)))
	require.NoError(t, patch("status", "strategic", `{"metadata": {"annotations": {"restartrules.dev/status": null}}}`))
	for name, text := range map[string]string{
		"an annotation of others":            `{"metadata": {"annotations": {"example.com/kept": "2"}}}`,
		"an annotation of others is removed": `{"metadata": {"annotations": {"example.com/kept": null}}}`,
		"an annotation is added":             `{"metadata": {"annotations": {"restartrules.dev/plan": "{}"}}}`,
		"a condition of others":              `{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}`,
		"phase":                              `{"status": {"phase": "Succeeded"}}`,
		"a container's status":               `{"status": {"containerStatuses": [{"name": "app", "image": "a", "imageID": "a", "ready": true, "restartCount": 1}]}}`,
	} {
		require.Error(t, patch("status", "strategic", text), name)
	}
	for name, text := range map[string]string{
		"image": `{"spec": {"containers": [{"name": "app", "image": "other"}]}}`,
		"label": `{"metadata": {"labels": {"a": "b"}}}`,
	} {
		require.Error(t, patch("", "strategic", text), name)
	}
	for name, args := range map[string][]string{
		"a command in a container":      {"exec", pod.Name, "-n", pod.Namespace, "-c", pod.Spec.Containers[0].Name, "--", "true"},
		"deletion":                      {"delete", "pod", pod.Name, "-n", pod.Namespace, "--wait=false"},
		"a Pod":                         {"run", "other", "-n", pod.Namespace, "--image=a"},
		"a Pod, in a dry run elsewhere": {"run", "other", "-n", pod.Namespace, "--image=a", "--dry-run=server"},
	} {
		out, err := kubectl(nil, append([]string{"--as=" + webhookUser}, args...)...)
		require.Error(t, err, name)
		require.Contains(t, out, "the webhook of Restart Rules writes the status of Pods only", name)
	}
	// Others may do what they may do.
	out, err = kubectl(nil, "label", "pod", pod.Name, "-n", pod.Namespace, "a=b")
	require.NoError(t, err, out)
	live := stored(t, pod)
	require.Equal(t, "1", live.Annotations["example.com/kept"])
	require.Equal(t, []corev1.PodConditionType{"AllContainersRestarting"}, []corev1.PodConditionType{live.Status.Conditions[0].Type})
}
