//go:build e2e

package installs

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/testcluster"
)

// firstPodWithin is the time from the start of the installation to the first injected Pod that runs.
const firstPodWithin = time.Minute

// TestInstalls installs into an empty cluster in each way: examples work, a second apply changes nothing, an upgrade
// and the removal leave running Pods alone, and nothing stays behind.
func TestInstalls(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			c := empty(t)
			if w.certManager {
				certManager(t, c)
			}
			namespace, _ := c.NewNamespace(t, testcluster.OptedIn)
			t.Cleanup(func() {
				if t.Failed() {
					tell(t, c)
				}
			})

			if w.helm {
				tool(t, "release", "helm.sh/helm/v4/cmd/helm", "helm") // not while the clock runs
			}
			began := time.Now()
			w.run(t, c, w.install)
			removed := false
			t.Cleanup(func() {
				if !removed {
					w.run(t, c, w.remove)
				}
			})
			rolledOut(t, c)
			ready := time.Since(began)
			create(t, c, namespace, restarting("first"))
			admitted := time.Since(began)
			runs(t, c, namespace, "first")
			first := time.Since(began)
			t.Logf("%s: rolled out after %.1f s, first injected Pod admitted after %.1f s, running after %.1f s (goal: %.0f s)",
				w.name, ready.Seconds(), admitted.Seconds(), first.Seconds(), firstPodWithin.Seconds())

			succeeds := example(t, c, namespace, "retriable-exit-code", 2)
			goesOn(t, c, namespace, "first")

			before := state(t, c)
			w.repeat(t, c)
			require.Equal(t, before, state(t, c), "a second apply changes nothing")

			w.roll(t, c)
			goesOn(t, c, namespace, "first")
			create(t, c, namespace, restarting("second"))
			runs(t, c, namespace, "second")
			succeeds()

			w.run(t, c, w.remove)
			removed = true
			require.Empty(t, leftovers(t, c))
			goesOn(t, c, namespace, "first")
			goesOn(t, c, namespace, "second")
			late, err := c.API.CoreV1().Pods(namespace).Create(t.Context(), restarting("late"), metav1.CreateOptions{})
			require.NoError(t, err, "nothing is in the way of Pods any more")
			require.False(t, injected(late))
		})
	}
}

func runs(t *testing.T, c *testcluster.Cluster, namespace, name string) {
	t.Helper()
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		pod, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && pod.Status.Phase == corev1.PodRunning, err
	}))
}

// state is what an apply that changes nothing leaves as it is: generations, authorities, the Pods of the webhook.
func state(t *testing.T, c *testcluster.Cluster) []string {
	t.Helper()
	pods, err := webhookPods(t.Context(), c)
	require.NoError(t, err)
	var all []string
	for _, pod := range pods {
		all = append(all, "Pod "+pod.Name)
	}
	slices.Sort(all)
	deployment, err := c.API.AppsV1().Deployments(systemNamespace).Get(t.Context(), "restartrules-webhook", metav1.GetOptions{})
	require.NoError(t, err)
	mutating, err := c.API.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), "restartrules", metav1.GetOptions{})
	require.NoError(t, err)
	validating, err := c.API.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), "restartrules", metav1.GetOptions{})
	require.NoError(t, err)
	all = append(all, fmt.Sprintf("generations %d, %d, %d", deployment.Generation, mutating.Generation, validating.Generation))
	for _, w := range mutating.Webhooks {
		require.NotEmpty(t, w.ClientConfig.CABundle, w.Name)
	}
	for _, w := range validating.Webhooks {
		require.NotEmpty(t, w.ClientConfig.CABundle, w.Name)
	}
	return all
}

// tell logs what there is to know when a test has failed.
func tell(t *testing.T, c *testcluster.Cluster) {
	for _, args := range [][]string{
		{"get", "pods,secrets,events", "--namespace=" + systemNamespace},
		{"logs", "--namespace=" + systemNamespace, "--selector=app.kubernetes.io/component=webhook", "--tail=20", "--prefix"},
	} {
		out, errs, _ := c.RunKubectl(context.WithoutCancel(t.Context()), "", args...)
		t.Log(out + errs)
	}
}
