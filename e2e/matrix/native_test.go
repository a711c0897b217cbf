//go:build e2e

package matrix

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
)

// TestWhatIsNativeIsLeftToTheKubelet installs us on a 1.35 with its default gates, and says so to the webhook.
func TestWhatIsNativeIsLeftToTheKubelet(t *testing.T) {
	c := newCluster(t, node.Options{Name: "matrix-defaults", FeatureGates: node.Gates{compile.RestartFeature: true, compile.RestartAllFeature: false}}, true)
	c.mustKubectl(t, "", "patch", "deployment/restartrules-webhook", "-n", "restartrules-system", "--type=json",
		`-p=[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--native-features=`+compile.RestartFeature+`"}]`)
	c.mustKubectl(t, "", "rollout", "status", "deployment/restartrules-webhook", "-n", "restartrules-system", "--timeout=120s")
	eventually(t, "the webhook without the flag is gone", func() bool {
		pods, err := c.API.CoreV1().Pods("restartrules-system").List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
		require.NoError(t, err)
		return len(pods.Items) == 1
	})

	for name, tc := range map[string]struct {
		carrier     carrier
		annotations map[string]string
		// wrapped Pods restart in place, the others by the kubelet.
		wrapped, planned bool
	}{
		"native fields":               {carrier: carriers[0]},
		"the annotation":              {carrier: carriers[1], planned: true},
		"native fields, emulated":     {carrier: carriers[0], annotations: map[string]string{api.ModeAnnotation: api.ModeEmulate}, planned: true, wrapped: true},
		"native fields and a backoff": {carrier: carriers[0], annotations: map[string]string{api.RulesAnnotation: "containers: {app: {backoff: none}}"}, planned: true, wrapped: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			namespace, dir := c.NewNamespace(t, testcluster.OptedIn)
			template := podTemplate(dir, false)
			tc.carrier.put(t, template, "Never", restartOn42)
			annotations, _ := template["metadata"].(object)["annotations"].(object)
			if annotations == nil {
				annotations = object{}
			}
			for key, value := range tc.annotations {
				annotations[key] = value
			}
			template["metadata"].(object)["annotations"] = annotations
			manifest := text(t, kinds[0].manifest(template))
			require.NoError(t, os.MkdirAll(dir, 0o777))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o644))
			c.mustKubectl(t, manifest, "apply", "-n", namespace, "-f", "-")

			var pod *corev1.Pod
			eventually(t, "the Pod ends", func() bool {
				var err error
				pod, err = c.API.CoreV1().Pods(namespace).Get(t.Context(), cell, metav1.GetOptions{})
				require.NoError(t, err)
				return pod.Status.Phase == corev1.PodFailed
			})
			status := statusOf(pod, "app")
			require.EqualValues(t, 7, status.State.Terminated.ExitCode)
			if tc.wrapped {
				require.Zero(t, status.RestartCount)
			} else {
				require.EqualValues(t, 1, status.RestartCount)
				require.Len(t, pod.Spec.Containers[0].RestartPolicyRules, 1)
				require.Empty(t, pod.Spec.InitContainers, "no watcher")
			}
			require.Equal(t, tc.wrapped, pod.Labels[api.ModeLabel] == api.ModeEmulated)
			require.Equal(t, tc.planned, pod.Annotations[api.PlanAnnotation] != "")
			events, err := readRecord(filepath.Join(dir, string(pod.UID)))
			require.NoError(t, err)
			require.Equal(t, ran{starts: 2, codes: "42,7"}, ranAs(events, 0))
			// An unchanged manifest is a change to nobody.
			c.mustKubectl(t, manifest, "apply", "-n", namespace, "-f", "-")
		})
	}

	t.Run("a Deployment keeps its native fields", func(t *testing.T) {
		t.Parallel()
		namespace, dir := c.NewNamespace(t, testcluster.OptedIn)
		manifest := idle(t, kinds[1], carriers[0], dir)
		c.mustKubectl(t, manifest, "apply", "-n", namespace, "-f", "-")
		require.Contains(t, c.mustKubectl(t, manifest, "apply", "-n", namespace, "-f", "-"), "unchanged")
		template := c.stored(t, namespace, "deployment", "spec", "template")
		stored, err := json.Marshal(template)
		require.NoError(t, err)
		require.Contains(t, string(stored), "restartPolicyRules")
		require.NotContains(t, string(stored), api.LiftedRulesAnnotation)
	})
}
