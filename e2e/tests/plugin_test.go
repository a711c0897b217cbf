//go:build e2e

package tests

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

// plugin runs a command of `kubectl restartrules` on the Pod, as kubectl runs its plugin, and gives all that it prints.
func (p *runningPod) plugin(command string, args ...string) (said string, err error) {
	p.t.Helper()
	bin, err := filepath.Abs(root + "/bin")
	require.NoError(p.t, err)
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, cluster.Kubectl, append([]string{"restartrules", command, p.name, "-n", enabled}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// does is plugin, of a command that must not fail.
func (p *runningPod) does(command string, args ...string) string {
	p.t.Helper()
	said, err := p.plugin(command, args...)
	require.NoError(p.t, err, said)
	return said
}

// accepts runs a command that the Pod refuses until it is ready for it.
func (p *runningPod) accepts(command string, args ...string) {
	p.t.Helper()
	said := ""
	eventually(p.t, command+" "+strings.Join(args, " "), func() (ok bool) {
		var err error
		said, err = p.plugin(command, args...)
		return err == nil
	})
	p.t.Logf("kubectl restartrules %s %s: %s", command, strings.Join(args, " "), said)
}

func TestThePluginRestartsAndTellsOfIt(t *testing.T) {
	t.Parallel()
	b := newPod(t, "plugin-restart", true).container("peer").rules(rulesWith("RestartAllContainers", ""))
	// All on standard error, as the lines between attempts: what comes by two ways has no order in the log.
	b.Spec.Containers[0].Command = []string{"sh", "-c", "exec /app -record=/records/app 1>&2"}
	p := b.create(t)
	p.waitStarts("app", 1)
	p.waitStarts("peer", 1)
	p.accepts("restart", "--container=app", "--reason=once more")
	p.waitStarts("app", 2)
	require.Equal(t, 1, starts(p.events("peer")))
	p.accepts("restart", "--all", "--reason=new data")
	p.waitStarts("app", 3)
	p.waitStarts("peer", 2)
	require.Zero(t, status(p.get(), "app").RestartCount)

	said, err := p.plugin("restart", "--container="+api.WatcherContainer)
	require.Error(t, err)
	require.Contains(t, said, "the kubelet alone restarts it")

	eventually(t, "both are in the history", func() bool {
		said = p.does("history", "-o", "wide")
		return strings.Contains(said, "once more") && strings.Contains(said, "new data")
	})
	t.Logf("kubectl restartrules history -o wide\n%s", said)
	require.Regexp(t, `(?m)^1 +\S+ +app +Restart +<none> +<none> +\S+ +once more `, said)
	require.Regexp(t, `(?m)^2 +\S+ +app +RestartAllContainers +<none> +<none> +\S+ +new data `, said)

	// What the container runtime has read of its pipes can be in the log somewhat later.
	eventually(t, "each attempt has its own log", func() bool {
		return p.does("logs", "-c", "app", "--attempt=-2") == "start 1\n" && p.does("logs", "-c", "app", "--attempt=2") == "start 2\n" &&
			p.does("logs", "-c", "app") == "start 3\n"
	})
	said = p.does("logs", "-c", "app", "--list")
	t.Logf("kubectl restartrules logs --list\n%s", said)
	require.Regexp(t, `(?m)^1 +-2 .* 143 +restartPolicy +Restart$`, said)
	require.Regexp(t, `(?m)^2 +-1 .* 143 +RestartingAllContainers +RestartAllContainers$`, said)
	require.Regexp(t, `(?m)^3 +0 .* <none> +<none> +<none>$`, said)
}

// While a Pod is paused an exit that matches a rule is followed by what the Pod's restartPolicy says.
func TestPausedPodsFollowTheirOwnPolicy(t *testing.T) {
	t.Run("Never", func(t *testing.T) {
		t.Parallel()
		p := newPod(t, "pause-never", true, "-quit=42").rules(restartAtOnce(42)).create(t)
		p.waitStarts("app", 1)
		t.Log(p.does("pause"))
		require.Equal(t, api.PausedAll, p.get().Annotations[api.PausedAnnotation])
		p.quit("app")
		pod := p.waitPhase(corev1.PodFailed)
		require.EqualValues(t, 42, status(pod, "app").State.Terminated.ExitCode)
		require.Equal(t, 1, starts(p.events("app")), "no rule has acted")
	})
	t.Run("Always", func(t *testing.T) {
		t.Parallel()
		b := newPod(t, "pause-always", false, "-quit=42").container("peer").rules(rulesWith("RestartAllContainers", ""))
		b.Spec.RestartPolicy = corev1.RestartPolicyAlways
		p := b.create(t)
		p.waitStarts("app", 1)
		p.waitStarts("peer", 1)
		t.Log(p.does("pause"))
		for _, which := range []string{"--all", "--container=peer"} {
			said, err := p.plugin("restart", which)
			require.Error(t, err)
			require.Contains(t, said, "the Pod is paused")
		}
		p.quit("app")
		p.waitStarts("app", 2)
		require.Equal(t, 1, starts(p.events("peer")), "the rule would have restarted it, too")

		t.Log(p.does("resume"))
		require.NotContains(t, p.get().Annotations, api.PausedAnnotation)
		p.quit("app")
		p.waitStarts("app", 3)
		p.waitStarts("peer", 2)
		eventually(t, "it is in the history", func() bool {
			return containsAll(p.does("history"), " Pause ", " Resume ", " RestartAllContainers ")
		})
	})
	t.Run("from the start", func(t *testing.T) {
		t.Parallel()
		b := newPod(t, "pause-start", false, "-run=10ms", "-exit=42").rules(restartAtOnce(42))
		b.Annotations[api.PausedAnnotation] = api.PausedAll
		p := b.create(t)
		p.waitPhase(corev1.PodFailed)
		require.Equal(t, 1, starts(p.events("app")))
	})
}
