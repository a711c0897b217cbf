//go:build e2e

package reports

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

// nowhere is an address that nobody has (RFC 5737).
const nowhere = "192.0.2.1"

// TestNoWayToTheWebhook is a Pod whose egress goes nowhere, as where a policy denies it: restarts are what they are
// elsewhere, the Pod's own history has them, and what is shown says that nothing was ever received, not zeros.
func TestNoWayToTheWebhook(t *testing.T) {
	t.Parallel()
	p := newPod(t, restartsAll, func(pod *corev1.Pod) { pod.Spec.HostAliases[0].IP = nowhere })
	p.exit(restartAllCode)
	p.exit(restartCode)
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		logs, err := p.API.CoreV1().Pods(p.namespace).GetLogs(p.name, &corev1.PodLogOptions{Container: api.WatcherContainer}).Stream(t.Context())
		if err != nil {
			return false, err
		}
		defer logs.Close()
		text, err := io.ReadAll(logs)
		return strings.Contains(string(text), "the webhook was not told of restarts"), err
	}), "the watcher has said that it can't report")

	bin, err := filepath.Abs("../../bin")
	require.NoError(t, err)
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "kubectl-restartrules"), append(args, "-n", p.namespace)...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+p.Kubeconfig)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	said := run("status")
	require.Regexp(t, `(?m)^pod +app +0 +<unknown> +<unknown> +<unknown>$`, said)
	require.Contains(t, said, "Pods that were never heard of: 1. Reports are off, or were when these Pods were made, or can't reach the webhook")
	require.NotContains(t, run("status", "-o", "json"), "inPlace")
	said = run("history", p.name)
	require.Regexp(t, `(?m)^1 .* app +RestartAllContainers +88 `, said)
	require.Regexp(t, `(?m)^2 .* app +Restart +42 `, said)
	require.False(t, p.any(func(s *sight) bool { return s.event != nil && s.event.Source.Component == "restartrules" }))
}
