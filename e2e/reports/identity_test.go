//go:build e2e

package reports

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// TestSpeaksOnlyOfItself: from a Pod's own watcher, with the token that the kubelet has put there, a report about
// another Pod is refused, and so is one with the token that is for the API server. The Pod's own is taken.
func TestSpeaksOnlyOfItself(t *testing.T) {
	t.Parallel()
	p, other := newPod(t, restartsAll, nil), newPod(t, restartsAll, nil)
	say := func(about *pod, flags ...string) (answer, complaint string) {
		book := report.NewBook(map[string]report.Container{app: {Counts: app}}, true, time.Now())
		book.GaveUp("forged", nil, time.Now())
		text, err := book.Report(report.Pod{Namespace: about.namespace, Name: about.name, UID: about.uid}).Encode()
		require.NoError(t, err)
		args := append([]string{"exec", "-i", "-n", p.namespace, p.name, "-c", api.WatcherContainer, "--",
			"/reporter", "--url=https://" + deployment + "." + system + ".svc" + report.Path}, flags...)
		answer, complaint, _ = p.RunKubectl(t.Context(), fmt.Sprintf("1 %s\n", text), args...)
		return answer, complaint
	}
	answer, complaint := say(other)
	require.Empty(t, answer)
	require.Contains(t, complaint, "the webhook answered 403 Forbidden: the token is not of the Pod that the report is about")
	answer, complaint = say(p, "--token-file=/var/run/secrets/kubernetes.io/serviceaccount/token")
	require.Empty(t, answer)
	require.Contains(t, complaint, "the webhook answered 401 Unauthorized: the token is not one that the API server has given to a running Pod for "+api.ReportAudience)
	answer, complaint = say(p)
	require.Equal(t, "1\n", answer, complaint)

	p.status("what it says of itself", func(s *report.Status) bool { return s.Failed != nil })
	seen, err := p.API.CoreV1().Pods(other.namespace).Get(t.Context(), other.name, metav1.GetOptions{})
	require.NoError(t, err)
	require.NotContains(t, seen.Annotations[api.StatusAnnotation], "forged")
}
