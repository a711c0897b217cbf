//go:build e2e

package installs

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

// values are those of the chart that add rights, policies, files and networks to an installation. The ports are not the
// usual ones: whoever is on the node's network has those already.
const values = `
certificates: {mode: self-managed}
replicas: 1
mode: auto
reports: {enabled: true}
policies: {hints: true, guard: true}
pullSecrets: {enabled: true, namespaces: [%s]}
registries:
  # The webhook's own port for metrics, which answers as a registry that has no images, over plain HTTP.
  entries: [{host: "127.0.0.1:19480", plainHTTP: true}]
hostNetwork: true
ports: {webhook: 19443, metrics: 19480, probes: 19481}
flags: {log-level: debug, reports-url: "https://restartrules-webhook.restartrules-system.svc:19443/report"}
`

// password must not be seen in any log.
const password = "correct-horse-battery"

// TestValues installs the chart with all that can be added, on the host's network and with ports of its own, and sees
// each at work; the guard lets through what is reported, and nothing else.
func TestValues(t *testing.T) {
	c := empty(t)
	namespace, _ := c.NewNamespace(t, testcluster.OptedIn)
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, values, namespace), 0o600))
	helm := tool(t, "release", "helm.sh/helm/v4/cmd/helm", "helm")
	removed := false
	t.Cleanup(func() {
		if t.Failed() {
			tell(t, c)
		}
		if !removed {
			run(t, c, helm, "uninstall", "restartrules", "--wait", "--ignore-not-found")
		}
	})
	run(t, c, helm, "install", "restartrules", chart, "--values="+file, "--wait")
	rolledOut(t, c)
	pods, err := webhookPods(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, pods, 1)
	webhook := pods[0]
	require.True(t, webhook.Spec.HostNetwork)
	require.Equal(t, webhook.Status.HostIP, webhook.Status.PodIP)

	pod := restarting("first")
	// The cluster has no DNS.
	pod.Spec.HostAliases = []corev1.HostAlias{{IP: webhook.Status.PodIP, Hostnames: []string{"restartrules-webhook.restartrules-system.svc"}}}
	create(t, c, namespace, pod)
	t.Run("reports pass the guard", func(t *testing.T) {
		require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
			now, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), "first", metav1.GetOptions{})
			return err == nil && now.Annotations[api.StatusAnnotation] != "", err
		}))
	})
	t.Run("the guard refuses the rest", func(t *testing.T) {
		const user = "system:serviceaccount:restartrules-system:restartrules-webhook"
		run(t, c, "kubectl", "create", "clusterrolebinding", "restartrules-guard-test", "--clusterrole=cluster-admin", "--user="+user)
		t.Cleanup(func() { run(t, c, "kubectl", "delete", "clusterrolebinding", "restartrules-guard-test") })
		for _, args := range [][]string{
			{"label", "pod", "first", "noticed=no"},
			{"annotate", "pod", "first", "example.com/a=b"},
			{"delete", "pod", "first", "--wait=false"},
			{"run", "other", "--image=busybox:stable"},
			{"patch", "pod", "first", "--subresource=status", `--patch={"status": {"phase": "Failed"}}`},
		} {
			_, errs, err := c.RunKubectl(t.Context(), "", append(args, "--namespace="+namespace, "--as="+user)...)
			require.Error(t, err, args)
			require.Contains(t, errs, "the webhook of Restart Rules ", args)
		}
	})
	t.Run("hints", func(t *testing.T) {
		const manifest = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": {"restartrules.dev/rules": "{}"}},
			"spec": {"containers": [{"name": "a", "image": "a"}]}}`
		_, errs, err := c.RunKubectl(t.Context(), manifest, "create", "--dry-run=server", "--namespace=default", "-f", "-")
		require.NoError(t, err, errs)
		require.Contains(t, errs, "Warning: ")
		require.Contains(t, errs, "nothing acts on the annotation restartrules.dev/rules here")
	})
	t.Run("mode auto, metrics on a port of their own", func(t *testing.T) {
		metrics, err := c.API.CoreV1().Pods(systemNamespace).ProxyGet("http", webhook.Name, "19480", "/metrics", nil).DoRaw(t.Context())
		require.NoError(t, err)
		require.Contains(t, string(metrics), `restartrules_native_feature{feature="ContainerRestartRules"} 0`)
	})
	t.Run("registries and pull secrets, and no secret in a log", func(t *testing.T) {
		login := base64.StdEncoding.EncodeToString([]byte("somebody:" + password))
		_, err := c.API.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "login"}, Type: corev1.SecretTypeDockerConfigJson,
			Data: map[string][]byte{corev1.DockerConfigJsonKey: fmt.Appendf(nil, `{"auths": {"127.0.0.1:19480": {"auth": %q}}}`, login)},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
		private := restarting("private")
		private.Spec.Containers[0].Image, private.Spec.Containers[0].Command = "127.0.0.1:19480/app:v1", nil
		private.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "login"}}
		_, err = c.API.CoreV1().Pods(namespace).Create(t.Context(), private, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		require.ErrorContains(t, err, "404", "it is asked over HTTP")
		said := logs(t, c, systemNamespace, webhook.Name, "webhook") + err.Error()
		require.NotEmpty(t, said)
		for _, secret := range []string{password, login, "PRIVATE KEY", "eyJhbGciOi" /* how a token begins */} {
			require.NotContains(t, said, secret)
		}
	})
	goesOn(t, c, namespace, "first")
	run(t, c, helm, "uninstall", "restartrules", "--wait")
	removed = true
	// What reports need in each namespace the garbage collector deletes.
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) { return len(leftovers(t, c)) == 0, nil }), "%v", leftovers(t, c))
	goesOn(t, c, namespace, "first")
}
