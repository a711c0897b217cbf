package inject

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/manifest"
)

func TestKillInScripts(t *testing.T) {
	for script, want := range map[string]bool{
		"kill 1":            true,
		"kill -TERM 1":      true,
		"kill -9 1":         true,
		"kill -s HUP 1":     true,
		"kill -sHUP 1":      true,
		"kill -n 15 1":      true,
		"kill -1 1":         true,
		"kill -TERM -- 1":   true,
		"kill --signal 9 1": true,
		"kill --signal=9 1": true,
		"kill 7 1":          true,
		`kill "1"`:          true,
		"/bin/kill 1":       true,
		"kill\t-TERM\t1":    true,
		"kill -TERM \\\n 1": true,

		"sleep 5; kill -s QUIT 1; sleep 1":     true,
		"kill -15 1 && wait":                   true,
		"nginx -t&&kill -HUP 1":                true,
		"if ! test -f /ok\nthen\n\tkill 1\nfi": true,
		"while :; do kill 1 2>/dev/null; done": true,
		"(kill 1)":                             true,
		"{ kill 1; }":                          true,
		"x=$(kill 1)":                          true,
		"echo `kill 1`":                        true,
		`echo "so: $(kill 1)"`:                 true,
		"echo \"so: `kill 1`\"":                true,
		"exec kill 1":                          true,
		"timeout 5s kill 1":                    true,
		"sudo -n kill 1":                       true,
		"LANG=C kill 1":                        true,
		"sh -ec 'kill 1'":                      true,
		`bash -c "sleep 1; kill 1"`:            true,
		`trap "kill 1" TERM`:                   true,
		"eval kill 1":                          true,
		"wget -qO- localhost/quit || kill 1 # what else is there": true,

		"":                      false,
		"kill $PID":             false,
		"kill 15":               false,
		"kill -1 15":            false,
		"kill -1":               false,
		"kill -9 -1":            false,
		"kill -l 1":             false,
		"kill -s 1 15":          false,
		"kill -n 1 15":          false,
		"kill %1":               false,
		"kill $(cat /pid)":      false,
		"kill 11":               false,
		"skill 1":               false,
		"pkill nginx":           false,
		"pkill -P 1":            false,
		"killall -1 nginx":      false,
		"docker-kill 1":         false,
		"echo kill 1":           false,
		"echo 'run kill 1'":     false,
		"# kill 1":              false,
		"true # kill 1":         false,
		"kill; echo 1":          false,
		"kill 15 && sleep 1":    false,
		"kill -TERM 15 | tee 1": false,
		"trap 'exit 0' TERM":    false,
		"man kill 1":            false,
		`grep "`:                false,
		"sh -c":                 false,
		"sh script kill 1":      false,
	} {
		t.Run(script, func(t *testing.T) {
			require.Equal(t, want, signalsInit([]string{"/bin/sh", "-c", script}))
			require.Equal(t, want, signalsInit([]string{"tini", "--", "bash", "-euo", "pipefail", "-c", script}))
			require.False(t, signalsInit([]string{"/app", script}), "not a shell")
			require.False(t, signalsInit([]string{"sh", script}), "the name of a file")
		})
	}
	for words, want := range map[string]bool{
		"kill 1": true, "/bin/kill -TERM 1": true, "busybox kill 1": true, "env -i kill 1": true,
		"kill 15": false, "app kill 1": false, "app --kill 1": false, "sh -x run.sh kill 1": false,
	} {
		require.Equal(t, want, signalsInit(strings.Fields(words)), words)
	}
}

func TestKillsInitSaysWhere(t *testing.T) {
	kill, other := []string{"sh", "-c", "kill 1"}, []string{"sh", "-c", "kill 15"}
	handler := func(command []string) *corev1.LifecycleHandler {
		return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: command}}
	}
	probe := func(command []string) manifest.Raw {
		text, err := json.Marshal(corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}}})
		require.NoError(t, err)
		return text
	}
	for want, c := range map[string]func(command []string) *manifest.Container{
		"its command": func(command []string) *manifest.Container {
			return &manifest.Container{Command: command[:2], Args: command[2:]}
		},
		"its postStart hook": func(command []string) *manifest.Container {
			return &manifest.Container{Lifecycle: &manifest.Lifecycle{PostStart: handler(command)}}
		},
		"its preStop hook": func(command []string) *manifest.Container {
			return &manifest.Container{Lifecycle: &manifest.Lifecycle{PreStop: handler(command)}}
		},
		"its livenessProbe":  func(command []string) *manifest.Container { return &manifest.Container{LivenessProbe: probe(command)} },
		"its readinessProbe": func(command []string) *manifest.Container { return &manifest.Container{ReadinessProbe: probe(command)} },
		"its startupProbe":   func(command []string) *manifest.Container { return &manifest.Container{StartupProbe: probe(command)} },
	} {
		require.Equal(t, want, killsInit(c(kill)))
		require.Empty(t, killsInit(c(other)))
	}
	require.Empty(t, killsInit(&manifest.Container{Lifecycle: &manifest.Lifecycle{PreStop: &corev1.LifecycleHandler{}}, LivenessProbe: manifest.Raw(`{"httpGet":{}}`)}))
}

func TestKillOfInitIsWarnedOfWhereTheProcessNamespaceIsShared(t *testing.T) {
	const killer = `
metadata: {name: p}
spec:
  restartPolicy: Never
  containers:
  - {name: trainer, command: [/train], restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]}
  - {name: peer, image: x, livenessProbe: {exec: {command: [sh, -c, 'test -f /ok || kill -TERM 1']}}}
`
	for name, tc := range map[string]struct {
		edit func(pod map[string]any)
		want int
	}{
		"by our default": {func(map[string]any) {}, 1},
		"by the annotation": {func(pod map[string]any) {
			pod["metadata"].(map[string]any)["annotations"] = map[string]any{"restartrules.dev/share-process-namespace": "true"}
		}, 1},
		"turned off": {func(pod map[string]any) {
			pod["metadata"].(map[string]any)["annotations"] = map[string]any{"restartrules.dev/share-process-namespace": "false"}
		}, 0},
		"off in the spec": {func(pod map[string]any) { spec(pod)["shareProcessNamespace"] = false }, 0},
		// Then it is the user's own, and the same natively.
		"on in the spec":  {func(pod map[string]any) { spec(pod)["shareProcessNamespace"] = true }, 0},
		"of the host":     {func(pod map[string]any) { spec(pod)["hostPID"] = true }, 0},
		"nothing wrapped": {func(pod map[string]any) { delete(container(pod, "containers", 0), "restartPolicyRules") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := Create(edit(t, object(t, killer), tc.edit), testOptions)
			require.NoError(t, err)
			require.Empty(t, result.Errors)
			n := 0
			for _, w := range result.Warnings {
				require.LessOrEqual(t, len(w), maxWarning)
				if strings.Contains(w, "signals process 1") {
					require.True(t, strings.HasPrefix(w, `container "peer": its livenessProbe signals`), w)
					require.Contains(t, w, `share-process-namespace: "false"`)
					n++
				}
			}
			require.Equal(t, tc.want, n)
		})
	}
}
