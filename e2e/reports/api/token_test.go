//go:build integration

package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/keyutil"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// TestOnlyOfItself: a Pod that reports about another is refused, and nothing is written.
func TestOnlyOfItself(t *testing.T) {
	require.NoError(t, makeNamespace(t.Context(), "own", nil))
	require.NoError(t, makeNamespace(t.Context(), "foreign", nil))
	w, neighbour, foreigner := newWatcher(t, "own", ""), newWatcher(t, "own", ""), newWatcher(t, "foreign", "")
	again := identityOf(w.pod)
	again.UID = "of a Pod that had this name before"
	for name, about := range map[string]report.Pod{
		"another Pod of the namespace": identityOf(neighbour.pod),
		"a Pod of another namespace":   identityOf(foreigner.pod),
		"a Pod of the same name":       again,
	} {
		t.Run(name, func(t *testing.T) {
			text, err := w.book.Report(about).Encode()
			require.NoError(t, err)
			code, answer := post(t, w.token, text)
			require.Equal(t, http.StatusForbidden, code)
			require.Equal(t, "the token is not of the Pod that the report is about", answer)
		})
	}
	pod, err := s.api.CoreV1().Pods("own").Get(t.Context(), neighbour.pod.Name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Empty(t, pod.Annotations)
}

// TestTokens: what proves nothing is refused with 401.
func TestTokens(t *testing.T) {
	require.NoError(t, makeNamespace(t.Context(), "tokens", nil))
	w, gone := newWatcher(t, "tokens", ""), newWatcher(t, "tokens", "")
	none := int64(0)
	require.NoError(t, s.api.CoreV1().Pods("tokens").Delete(t.Context(), gone.pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &none}))
	unbound, err := s.api.CoreV1().ServiceAccounts("tokens").CreateToken(t.Context(), "default", unboundRequest(), metav1.CreateOptions{})
	require.NoError(t, err)
	for name, token := range map[string]string{
		"none":                       "",
		"no token":                   "secret",
		"for the API server":         tokenOf(t, w.pod, "https://kubernetes.default.svc.cluster.local"),
		"of no Pod":                  unbound.Status.Token,
		"expired":                    altered(t, w.token, signingKey(t), func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() }),
		"signed by somebody":         altered(t, w.token, someKey(t), func(map[string]any) {}),
		"replayed after the Pod end": gone.token,
	} {
		t.Run(name, func(t *testing.T) {
			body := w.report(t)
			if token == gone.token {
				body = gone.report(t)
			}
			code, answer := post(t, token, body)
			require.Equal(t, http.StatusUnauthorized, code, answer)
			if token != "" {
				require.NotContains(t, answer, token)
			}
		})
	}
	code, answer := post(t, w.token, w.report(t))
	require.Equal(t, http.StatusAccepted, code, answer)
}

// TestAltered: what the other tests alter would be good otherwise.
func TestAltered(t *testing.T) {
	require.NoError(t, makeNamespace(t.Context(), "altered", nil))
	w := newWatcher(t, "altered", "")
	code, answer := post(t, altered(t, w.token, signingKey(t), func(map[string]any) {}), w.report(t))
	require.Equal(t, http.StatusAccepted, code, answer)
}

// signingKey is the API server's own key for tokens.
func signingKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Environment.ControlPlane.GetAPIServer().CertDir, "sa-signer.key"))
	require.NoError(t, err)
	key, err := keyutil.ParsePrivateKeyPEM(text)
	require.NoError(t, err)
	require.IsType(t, &ecdsa.PrivateKey{}, key)
	return key.(*ecdsa.PrivateKey)
}

func someKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// altered is the token with other claims, signed with that key.
func altered(t *testing.T, token string, key *ecdsa.PrivateKey, change func(claims map[string]any)) string {
	t.Helper()
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(payload, &claims))
	require.Equal(t, []any{api.ReportAudience}, claims["aud"])
	change(claims)
	payload, err = json.Marshal(claims)
	require.NoError(t, err)
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(signed))
	a, b, err := ecdsa.Sign(rand.Reader, key, sum[:]) // ES256
	require.NoError(t, err)
	signature := make([]byte, 64)
	a.FillBytes(signature[:32])
	b.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestWhatIsNoReport: it is refused by its kind.
func TestWhatIsNoReport(t *testing.T) {
	require.NoError(t, makeNamespace(t.Context(), "bad", nil))
	w := newWatcher(t, "bad", "")
	for name, test := range map[string]struct {
		body string
		code int
		says string
	}{
		"no JSON":   {"{", http.StatusBadRequest, "report: unexpected end of JSON input"},
		"too new":   {`{"version":2}`, http.StatusBadRequest, "report: has version 2, this release reads versions 1 to 1"},
		"too large": {strings.Repeat(" ", report.MaxBytes+1), http.StatusRequestEntityTooLarge, "a report has at most 32768 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer := post(t, w.token, []byte(test.body))
			require.Equal(t, test.code, code)
			require.Equal(t, test.says, answer)
		})
	}
}
