//go:build e2e

package installs

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/testcluster"
)

// TestAnyOrder: a cluster comes up with our webhook configurations and nothing that answers, as after an outage of all
// nodes, or because they were applied first. All runs that uses no rules, what the cluster itself is made of even if it
// would use them; then the rest is applied, the webhook's own Pods first of all.
func TestAnyOrder(t *testing.T) {
	const overlay = "manifests/overlays/self-managed"
	c := empty(t)
	namespace, _ := c.NewNamespace(t, testcluster.OptedIn)
	t.Cleanup(func() {
		if t.Failed() {
			tell(t, c)
		}
		run(t, c, "kubectl", "delete", "--ignore-not-found", "-k", overlay)
	})
	for _, kind := range []string{"namespace", "mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
		run(t, c, "kubectl", "apply", "--server-side", "-f", "manifests/base/"+kind+".yaml")
	}

	// With rules nothing can be created. It takes the API server a
	// moment to know of the configurations.
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		_, err := c.API.CoreV1().Pods(namespace).Create(t.Context(), restarting("refused"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return apierrors.IsInternalError(err), nil
	}), "the API server asks")
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "waits"}}
	labels := map[string]string{"app": "waits"}
	pod := restarting("")
	deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	deployment.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}
	deployment.Spec.Template.Labels = labels
	deployment.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyAlways
	_, err := c.API.AppsV1().Deployments(namespace).Create(t.Context(), deployment, metav1.CreateOptions{})
	require.True(t, apierrors.IsInternalError(err), "a workload with rules: %v", err)

	plain := restarting("plain")
	plain.Annotations = nil
	_, err = c.API.CoreV1().Pods(namespace).Create(t.Context(), plain, metav1.CreateOptions{})
	require.NoError(t, err, "a Pod without rules")
	for _, name := range []string{"kube-system", systemNamespace} {
		excluded := restarting("excluded")
		excluded.Labels = testcluster.OptedIn
		if name == systemNamespace {
			excluded.Spec.SecurityContext, excluded.Spec.Containers[0].SecurityContext = restrictedPod(), restrictedContainer()
		}
		made, err := c.API.CoreV1().Pods(name).Create(t.Context(), excluded, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		require.NoError(t, err, "a Pod in %s", name)
		require.False(t, injected(made))
	}

	run(t, c, "kubectl", "apply", "--server-side", "-k", overlay)
	rolledOut(t, c)
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		_, err := c.API.AppsV1().Deployments(namespace).Create(t.Context(), deployment, metav1.CreateOptions{})
		return err == nil, nil
	}), "the workload")
	var name string
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		pods, err := c.API.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=waits"})
		if err != nil || len(pods.Items) == 0 {
			return false, err
		}
		require.True(t, injected(&pods.Items[0]))
		name = pods.Items[0].Name
		return true, nil
	}))
	goesOn(t, c, namespace, name)
}

func restrictedPod() *corev1.PodSecurityContext {
	yes, user := true, int64(65532)
	return &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
}

func restrictedContainer() *corev1.SecurityContext {
	no := false
	return &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
}
