//go:build integration

package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// watcher is a Pod that exists in the API only, and what its watcher would have.
type watcher struct {
	pod   *corev1.Pod
	token string
	book  *report.Book
}

// newWatcher makes a Pod with one container, app, that restarts the whole Pod.
func newWatcher(t *testing.T, namespace, node string) *watcher {
	t.Helper()
	pod, err := s.api.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "pod-"},
		Spec:       corev1.PodSpec{ServiceAccountName: "default", NodeName: node, Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return &watcher{pod: pod, token: tokenOf(t, pod, api.ReportAudience), book: newBook()}
}

func newBook() *report.Book {
	return report.NewBook(map[string]report.Container{"app": {Counts: "app"}}, true, time.Now())
}

// tokenOf is what the kubelet would project into the Pod.
func tokenOf(t testing.TB, pod *corev1.Pod, audience string) string {
	t.Helper()
	token, err := requestToken(t.Context(), pod, audience)
	require.NoError(t, err)
	return token
}

func requestToken(ctx context.Context, pod *corev1.Pod, audience string) (string, error) {
	hour := int64(3600)
	token, err := s.api.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, "default", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{audience}, ExpirationSeconds: &hour,
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return token.Status.Token, nil
}

func identityOf(pod *corev1.Pod) report.Pod {
	return report.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)}
}

// restart is a restart of the whole Pod that is over, because app has exited with 88.
func (w *watcher) restart() {
	code := 88
	now := time.Now()
	w.book.Began(report.Restart{Container: "app", ExitCode: &code, Rule: 1, Action: report.ActionRestartAll}, 1, 0, now)
	w.book.Finished(2500*time.Microsecond, now)
}

func (w *watcher) report(t testing.TB) []byte {
	t.Helper()
	text, err := w.book.Report(identityOf(w.pod)).Encode()
	require.NoError(t, err)
	return text
}

// post reports with any token, and returns the answer.
func post(t testing.TB, token string, body []byte) (code int, text string) {
	t.Helper()
	bundle, err := os.ReadFile(filepath.Join(s.webhook.certDir, "ca.crt"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(bundle))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.webhook.url(), bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, strings.TrimSpace(string(answer))
}

func conditionOf(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, lookAgain, what)
}
