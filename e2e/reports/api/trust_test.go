//go:build integration

package api

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/certs/selfsigned"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report/deliver"
)

func unboundRequest() *authenticationv1.TokenRequest {
	return &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{api.ReportAudience}}}
}

func published(t *testing.T, namespace string) []byte {
	t.Helper()
	c, err := s.api.CoreV1().ConfigMaps(namespace).Get(t.Context(), api.CAConfigMap, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(t, err)
	return []byte(c.Data[api.ReportCAKey])
}

// TestTrustOutlivesARotation: a namespace that opts in gets the CA, and after a rotation old and new; a Pod that
// has had the volume from before still reports, be it the old certificate that is served or the new.
func TestTrustOutlivesARotation(t *testing.T) {
	require.NoError(t, makeNamespace(t.Context(), "trusting", optedIn))
	require.NoError(t, makeNamespace(t.Context(), "other", nil))
	eventually(t, "the CA is published", func() bool { return len(published(t, "trusting")) > 0 })
	before := published(t, "trusting")
	require.Equal(t, 1, bytes.Count(before, []byte("BEGIN")))
	require.Nil(t, published(t, "other"))
	c, err := s.api.CoreV1().ConfigMaps("trusting").Get(t.Context(), api.CAConfigMap, metav1.GetOptions{})
	require.NoError(t, err)
	require.Len(t, c.OwnerReferences, 1, "so that it goes with the webhook's namespace")
	owner, err := s.api.CoreV1().Namespaces().Get(t.Context(), c.OwnerReferences[0].Name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, owner.UID, c.OwnerReferences[0].UID)

	w := newWatcher(t, "trusting", "")
	volume := t.TempDir() // as the kubelet projects it
	put := func(name string, content []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(volume, name), content, 0o600))
	}
	put("token", []byte(w.token))
	put("ca.crt", before)
	o := deliver.Options{URL: s.webhook.url(), TokenFile: filepath.Join(volume, "token"), CAFile: filepath.Join(volume, "ca.crt")}
	tell := func() error {
		line := append([]byte("1 "), w.report(t)...)
		return deliver.Serve(t.Context(), bytes.NewReader(append(line, '\n')), io.Discard, o)
	}
	require.NoError(t, tell())

	// Another certificate authority, as cert-manager makes it: the Secret has no word of the old one.
	fresh := t.TempDir()
	_, err = selfsigned.Ensure(fresh, []string{"localhost"}, time.Now().Add(time.Second))
	require.NoError(t, err)
	for _, name := range []string{"tls.key", "tls.crt", "ca.crt"} {
		content, err := os.ReadFile(filepath.Join(fresh, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(s.webhook.certDir, name), content, 0o600))
	}
	eventually(t, "old and new are published", func() bool { return bytes.Count(published(t, "trusting"), []byte("BEGIN")) == 2 })
	require.NotNil(t, published(t, system))
	put("ca.crt", published(t, "trusting"))
	require.NoError(t, tell())
	put("ca.crt", before)
	eventually(t, "the new certificate is served, which the old CA alone doesn't vouch for", func() bool { return tell() != nil })
	put("ca.crt", published(t, "trusting"))
	require.NoError(t, tell())

	require.NoError(t, s.api.CoreV1().ConfigMaps("trusting").Delete(t.Context(), api.CAConfigMap, metav1.DeleteOptions{}))
	eventually(t, "what is deleted comes back", func() bool { return bytes.Count(published(t, "trusting"), []byte("BEGIN")) == 2 })
}
