//go:build e2e

package tests

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
)

// When not only the watcher but its whole container ends, the kubelet makes a new one. The
// application doesn't notice, and the new watcher does all that the old one did.
func TestTheKubeletRestartsTheWatchersContainer(t *testing.T) {
	onlyLocal(t)
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		p := newPod(t, "watcher-restarted", shared).rules(restartAtOnce(42)).preStop(corev1.LifecycleHandler{
			Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "killall -USR1 app; sleep 1"}}}).create(t)
		p.waitStarts("app", 1)
		before := waitPod(t, enabled, p.name, "ready", isReady)

		require.NoError(t, syscall.Kill(findWatchersShim(t, string(before.UID)), syscall.SIGKILL))
		eventually(t, "the watcher's container runs again", func() bool {
			watcher := status(p.get(), api.WatcherContainer)
			return watcher.RestartCount == 1 && watcher.Started != nil && *watcher.Started
		})
		require.Equal(t, "start", verbs(p.events("app")), "not disturbed")

		p.quit("app")
		p.waitStarts("app", 2)
		after := p.get()
		require.Equal(t, status(before, "app").ContainerID, status(after, "app").ContainerID)
		require.Zero(t, status(after, "app").RestartCount)
		eventually(t, "the new watcher knows", func() bool { return bytes.Contains([]byte(p.logs(api.WatcherContainer)), []byte("42")) })

		require.NoError(t, client.CoreV1().Pods(enabled).Delete(t.Context(), p.name, metav1.DeleteOptions{}))
		eventually(t, "gone", func() bool {
			_, err := client.CoreV1().Pods(enabled).Get(t.Context(), p.name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
		require.Equal(t, "start end start end", verbs(p.events("app")), "its deletion restarts nothing")
	})
}

// findWatchersShim finds the first process of the watcher's container on the node.
func findWatchersShim(t *testing.T, uid string) int {
	t.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range commands {
		command, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(command, []byte("/shim\x00run\x00--container="+api.WatcherContainer)) {
			continue
		}
		cgroup, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cgroup"))
		if err == nil && bytes.Contains(cgroup, []byte(uid)) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			require.NoError(t, err)
			return pid
		}
	}
	require.Fail(t, "the Pod has no watcher")
	return 0
}
