package inject

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/manifest"
)

func TestKillsInit(t *testing.T) {
	for text, want := range map[string]bool{
		"kill 1": true, "kill -TERM 1": true, "sleep 5; kill -s QUIT 1; sleep 1": true, "kill -15 1 && wait": true, "/bin/kill 1": true,
		"kill $PID": false, "kill 15": false, "kill -1 15": false, "skill 1": false, "": false, "pkill nginx": false,
	} {
		exec := &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", text}}}
		require.Equal(t, want, killsInit(&manifest.Container{Lifecycle: &manifest.Lifecycle{PreStop: exec}}), text)
		require.Equal(t, want, killsInit(&manifest.Container{Lifecycle: &manifest.Lifecycle{PostStart: exec}}), text)
		require.Equal(t, want, killsInit(&manifest.Container{Command: []string{"sh", "-c"}, Args: []string{text}}), text)
	}
}
