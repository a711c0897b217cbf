//go:build e2e

package reports

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// TestThePluginShowsIt runs `kubectl restartrules status`, found by kubectl as its plugin, also while the Pod is paused.
func TestThePluginShowsIt(t *testing.T) {
	t.Parallel()
	p := newPod(t, restartsAll, nil)
	bin, err := filepath.Abs("../../bin")
	require.NoError(t, err)
	run := func(command string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), p.Kubectl, append([]string{"restartrules", command, "-n", p.namespace}, args...)...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+p.Kubeconfig, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	status := func(args ...string) string { t.Helper(); return run("status", args...) }
	require.Regexp(t, `(?m)^pod +app +0 +(<unknown>|0) `, status())
	p.exit(restartAllCode)
	p.status("a restart", func(s *report.Status) bool { return s.Restarts[app] == 1 && s.Last != nil })
	said := status("-o", "wide")
	t.Logf("kubectl restartrules status -o wide\n%s", said)
	require.Regexp(t, `(?m)^pod +setup +0 +1 +<none> `, said)
	require.Regexp(t, `(?m)^pod +app +0 +1 +exit 88: RestartAllContainers +\S+ +restartPolicyRules\[1\] +[0-9.]+(ms|s) +<none> +Running$`, said)
	require.Contains(t, status("pod", "-o", "json"), `"exitCode": 88`)
	require.Contains(t, status("pod/pod", "-o", "yaml"), "exitCode: 88")
	require.Contains(t, status("-A", "-l", "restartrules.dev/mode"), p.namespace)

	t.Log(run("pause", "pod"))
	p.status("it is paused", func(s *report.Status) bool { return s.Paused == api.PausedAll })
	require.Regexp(t, `(?m)^pod +app .* Running,Paused$`, status("-o", "wide"))
	t.Log(run("resume", "pod"))
	p.status("it is resumed", func(s *report.Status) bool { return s.Paused == "" })
}
