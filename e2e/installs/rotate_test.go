//go:build e2e

package installs

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"restartrules.dev/e2e/testcluster"
)

// replaceOne deletes a Pod of the webhook and waits until another is ready.
func replaceOne(t *testing.T, c *testcluster.Cluster, turn int) {
	t.Helper()
	pods, err := webhookPods(t.Context(), c)
	require.NoError(t, err)
	require.NotEmpty(t, pods)
	gone := pods[turn%len(pods)].Name
	require.NoError(t, c.API.CoreV1().Pods(systemNamespace).Delete(t.Context(), gone, metav1.DeleteOptions{}))
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		deployment, err := c.API.AppsV1().Deployments(systemNamespace).Get(t.Context(), "restartrules-webhook", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		now, err := webhookPods(t.Context(), c)
		for _, pod := range now {
			if pod.Name == gone {
				return false, err
			}
		}
		return len(now) == len(pods) && deployment.Status.AvailableReplicas == *deployment.Spec.Replicas, err
	}), "the webhook's Pods after %s was deleted", gone)
}

// secretData is what a Secret of the webhook holds.
func secretData(t *testing.T, c *testcluster.Cluster, name string) map[string][]byte {
	t.Helper()
	secret, err := c.API.CoreV1().Secrets(systemNamespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return secret.Data
}

const selfManagedSecret = "restartrules-webhook-self-managed"

// awaitRotation waits until another certificate is in use. The first time it is made anew at once, as all that was known of
// the old ones is deleted.
func awaitRotation(t *testing.T, c *testcluster.Cluster, turn int) {
	t.Helper()
	before := secretData(t, c, selfManagedSecret)["tls.crt"]
	if turn == 0 {
		_, err := c.API.CoreV1().Secrets(systemNamespace).Patch(t.Context(), selfManagedSecret, types.JSONPatchType,
			[]byte(`[{"op": "remove", "path": "/data"}]`), metav1.PatchOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		now := secretData(t, c, selfManagedSecret)["tls.crt"]
		return len(now) > 0 && !bytes.Equal(now, before), nil
	}), "the certificate stays")
}

// renew does what `cmctl renew` does; the second time to the authority, too.
func renew(t *testing.T, c *testcluster.Cluster, turn int) {
	t.Helper()
	if turn == 1 {
		renewCertificate(t, c, "restartrules-webhook-ca", "restartrules-webhook-ca")
	}
	renewCertificate(t, c, "restartrules-webhook", "restartrules-webhook-tls")
}

func renewCertificate(t *testing.T, c *testcluster.Cluster, name, secret string) {
	t.Helper()
	before := secretData(t, c, secret)["tls.crt"]
	path := "/apis/cert-manager.io/v1/namespaces/" + systemNamespace + "/certificates/" + name
	var certificate struct {
		Metadata struct{ Generation int64 }
		Status   struct{ Conditions []map[string]any }
	}
	text, err := c.API.RESTClient().Get().AbsPath(path).DoRaw(t.Context())
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &certificate))
	conditions := append(certificate.Status.Conditions, map[string]any{
		"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "renewed by a test",
		"lastTransitionTime": time.Now().UTC().Format(time.RFC3339), "observedGeneration": certificate.Metadata.Generation,
	})
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": conditions}})
	require.NoError(t, err)
	_, err = c.API.RESTClient().Patch(types.MergePatchType).AbsPath(path + "/status").Body(patch).DoRaw(t.Context())
	require.NoError(t, err)
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		now := secretData(t, c, secret)["tls.crt"]
		return len(now) > 0 && !bytes.Equal(now, before), nil
	}), "%s is not renewed", name)
}
