//go:build e2e

package tests

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestAnOutageOfTheWebhook stops it: only the creation of Pods with rules, and what else brings rules, has to wait.
func TestAnOutageOfTheWebhook(t *testing.T) {
	needsFields(t) // of the Deployment, which are lifted
	p := newPod(t, "outage", true).rules(restartAtOnce(42)).create(t)
	p.waitStarts("app", 1)
	before := waitPod(t, enabled, p.name, "ready", isReady)
	namespace := newNamespace(t, optedIn)
	_, stderr, err := kubectl(t, deploymentWithRules, "apply", "-n", namespace, "-f", "-")
	require.NoError(t, err, stderr)
	replicas := func() int32 {
		list, err := client.AppsV1().ReplicaSets(namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		if len(list.Items) != 1 {
			return -1
		}
		return list.Items[0].Status.Replicas
	}
	eventually(t, "the Deployment has its Pod", func() bool { return replicas() == 1 })

	withoutWebhookPods(t)

	_, stderr, err = kubectl(t, "", "scale", "-n", namespace, "deployment/web", "--replicas=0")
	require.NoError(t, err, stderr)
	eventually(t, "its controller has scaled the ReplicaSet, which has rules", func() bool { return replicas() == 0 })

	createIn(t, namespace, podWithoutRules())
	waitPod(t, namespace, "app", "ready", isReady)

	_, stderr, err = kubectl(t, podYAML("refused", command, annotatedRules), "create", "-n", namespace, "-f", "-")
	require.Error(t, err)
	t.Logf("kubectl says: %s", stderr)
	require.Contains(t, stderr, `failed calling webhook "namespaces.restartrules.dev"`)
	require.Contains(t, stderr, "restartrules-webhook", "which Service to look at")

	for _, patch := range []string{
		`{"metadata": {"labels": {"example.com/changed": "true"}, "annotations": {"example.com/changed": "true"}, "finalizers": ["example.com/keep"]}}`,
		`{"metadata": {"finalizers": null}}`,
	} {
		_, err := client.CoreV1().Pods(enabled).Patch(t.Context(), p.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		require.NoError(t, err, patch)
	}

	p.quit("app")
	p.waitStarts("app", 2)
	after := p.waitPhase(corev1.PodRunning)
	require.Equal(t, status(before, "app").ContainerID, status(after, "app").ContainerID)
	require.Equal(t, "true", after.Labels["example.com/changed"])
	require.Equal(t, "start end start", verbs(p.events("app")))
	p.remove() // deletion works, too
}

// deploymentWithRules has native fields, which are lifted.
const deploymentWithRules = `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
	"selector": {"matchLabels": {"app": "web"}},
	"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 1,
		"containers": [{"name": "web", "image": "` + appImage + `", "command": ["/app"], "restartPolicy": "Never",
			"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]}]}}}}`

// withoutWebhookPods scales the Deployment to 0 until the test is over.
func withoutWebhookPods(t *testing.T) {
	t.Helper()
	deployments := client.AppsV1().Deployments("restartrules-system")
	scale, err := deployments.GetScale(t.Context(), "restartrules-webhook", metav1.GetOptions{})
	require.NoError(t, err)
	replicas := scale.Spec.Replicas
	t.Cleanup(func() {
		ctx := contextForCleanup(t)
		scale, err := deployments.GetScale(ctx, "restartrules-webhook", metav1.GetOptions{})
		require.NoError(t, err)
		scale.Spec.Replicas = replicas
		_, err = deployments.UpdateScale(ctx, "restartrules-webhook", scale, metav1.UpdateOptions{})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			pod := podWithRules()
			pod.Name = "dry-run"
			_, err := client.CoreV1().Pods(enabled).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err == nil
		}, patience, lookAgain, "the webhook answers again")
	})
	scale.Spec.Replicas = 0
	_, err = deployments.UpdateScale(t.Context(), "restartrules-webhook", scale, metav1.UpdateOptions{})
	require.NoError(t, err)
	eventually(t, "the webhook is down", func() bool {
		_, err := dryRun(t, enabled, podWithRules())
		return err != nil && strings.Contains(err.Error(), "failed calling webhook")
	})
}
