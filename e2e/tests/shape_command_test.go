//go:build e2e

package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/record"
	"restartrules.dev/pkg/api"
)

func TestShapeWorkingDir(t *testing.T) {
	t.Parallel()
	s := newShape(t, newNamespace(t, optedIn), "pwd")
	s.app().WorkingDir = "/work/made/by the runtime"
	require.Equal(t, "/work/made/by the runtime", s.restart())
}

func TestShapeRelativeCommand(t *testing.T) {
	for name, test := range map[string]struct{ dir, command string }{
		"here":  {"/bin", "./sh"},
		"below": {"/", "bin/sh"},
		"above": {"/tmp", "../bin/sh"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, newNamespace(t, optedIn), `pwd; tr '\0' '\n' </proc/$$$$/cmdline | head -1`)
			s.app().WorkingDir, s.app().Command[0] = test.dir, test.command
			require.Equal(t, test.dir+" "+test.command, s.restart())
		})
	}
}

// The command is found by the image's PATH, and by the container's own, where it has one.
func TestShapePath(t *testing.T) {
	t.Run("of the image", func(t *testing.T) {
		t.Parallel()
		s := newShape(t, newNamespace(t, optedIn), `command -v tool; echo "$PATH"`)
		s.app().Image, s.app().Command[0] = namedImage, "tool"
		require.Equal(t, "/opt/bin/tool /opt/bin:/bin", s.restart())
	})
	t.Run("of the container", func(t *testing.T) {
		t.Parallel()
		s := newShape(t, newNamespace(t, optedIn), `command -v tool; echo "$PATH"`)
		s.app().Image, s.app().Command[0] = namedImage, "tool"
		s.app().Env = []corev1.EnvVar{{Name: "PATH", Value: "/none:/opt/bin:/bin"}}
		require.Equal(t, "/opt/bin/tool /none:/opt/bin:/bin", s.restart())
	})
}

// A script that doesn't say what runs it can't be executed: the kernel says so, and no shell steps in,
// with and without a shim. Its rules are asked about code 126. When the script is mended it runs.
func TestShapeScriptWithoutShebang(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, optedIn)
	s := newShape(t, namespace, "echo it runs")
	script := s.app().Command[2]
	s.app().Command = []string{"/work/script"}
	s.app().Env = []corev1.EnvVar{{Name: "SCRIPT", Value: strings.ReplaceAll(script, "$", "$$")}}
	s.Spec.InitContainers = []corev1.Container{{Name: "write", Image: appImage, ImagePullPolicy: corev1.PullIfNotPresent, VolumeMounts: s.app().VolumeMounts,
		Env: s.app().Env, Command: []string{"sh", "-c", `printf %s "$SCRIPT" >/work/script; chmod +x /work/script`}}}
	s.Annotations[api.RulesAnnotation] = strings.Replace(strings.Replace(restartAtOnce(42), "[42]", "[42, 126]", 1), `"none"`, `{"initialDelay": "2s", "maxDelay": "2s"}`, 1)
	createIn(t, namespace, s.Pod)
	eventually(t, "it can't be started, again and again", func() bool {
		log, _, _ := kubectl(t, "", "logs", "-n", namespace, s.Name, "-c", "app")
		return strings.Count(log, "can't start /work/script: exec format error\n") >= 2 &&
			strings.Contains(log, "attempt=1 exitCode=126 rule=restartPolicyRules[0] action=Restart nextAttempt=2")
	})
	before := s.running("app")
	eventually(t, "the script is mended", func() bool {
		_, _, err := s.try("app", "sh", "-c", "grep -q ^#! /work/script || sed -i '1i #!/bin/sh' /work/script")
		return err == nil // it may meet an attempt, and end with it
	})
	require.Equal(t, "it runs", s.saw(1))
	s.endFirst("app")
	require.Equal(t, "it runs", s.saw(2))
	require.Equal(t, before.ContainerID, status(s.get(), "app").ContainerID)
	require.Zero(t, status(s.get(), "app").RestartCount)
}

// The kubelet expands $(VAR) in command and args, as without a shim.
func TestShapeExpansion(t *testing.T) {
	t.Parallel()
	s := newShape(t, newNamespace(t, optedIn), `echo "$0|$*|$BOTH"`)
	s.app().Env = []corev1.EnvVar{
		{Name: "ONE", Value: "1"}, {Name: "BOTH", Value: "$(ONE) and $(POD)"},
		{Name: "POD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
	}
	s.app().Command = append(s.app().Command, "$(POD)/$(ONE)", "$$(ONE)")
	s.app().Args = []string{"$(POD)", "$$(POD)", "$(NONE)", "$$$$", "a $"}
	require.Equal(t, "shape/1|$(ONE) shape $(POD) $(NONE) $$ a $|1 and $(POD)", s.restart())
}

func TestShapeSubPath(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, optedIn)
	_, err := client.CoreV1().ConfigMaps(namespace).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"settings": "as they are"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	s := newShape(t, namespace, `cat /etc/settings; echo; [ $(stat -c %i /data) = $(stat -c %i /work/by/shape) ] && echo the same directory; touch /data/file; ls /data`)
	s.Spec.Volumes = append(s.Spec.Volumes, corev1.Volume{Name: "settings", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}})
	s.app().Env = []corev1.EnvVar{{Name: "POD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}
	s.app().VolumeMounts = append(s.app().VolumeMounts,
		corev1.VolumeMount{Name: "work", MountPath: "/data", SubPathExpr: "by/$(POD)"},
		corev1.VolumeMount{Name: "settings", MountPath: "/etc/settings", SubPath: "settings"})
	require.Equal(t, "as they are the same directory file", s.restart())
}

// An image that has nothing but a static program.
func TestShapeNoShell(t *testing.T) {
	onlyLocal(t)
	for name, whole := range map[string]bool{"container": false, "whole Pod": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newPod(t, "scratch-"+strings.ReplaceAll(strings.ToLower(name), " ", "-"), true, "-obey").rules(restartAtOnce(42))
			b.Spec.Containers[0].Image = scratchImage
			if whole {
				b.rules(rulesWith("RestartAllContainers", ""))
				b.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: scratchImage, ImagePullPolicy: corev1.PullIfNotPresent,
					Command: []string{"/app", "-record=/records/setup", "-run=10ms"}, VolumeMounts: b.Spec.Containers[0].VolumeMounts}}
			}
			p := b.create(t)
			p.waitStarts("app", 1)
			eventually(t, "running", func() bool { return status(p.get(), "app").State.Running != nil })
			before := status(p.get(), "app").ContainerID
			require.NoError(t, os.WriteFile(record.ExitFile(filepath.Join(records, t.Name(), "app"), 1), []byte("42"), 0o644))
			p.waitStarts("app", 2)
			require.Equal(t, before, status(p.get(), "app").ContainerID)
			require.Zero(t, status(p.get(), "app").RestartCount)
			if whole {
				require.Equal(t, 2, starts(p.events("setup")))
			}
			_, _, err := kubectl(t, "", "exec", "-n", enabled, p.name, "-c", "app", "--", "/bin/sh", "-c", "true")
			require.Error(t, err, "there is no shell")
			require.Equal(t, "start 1\n", p.exec("app", "/app", "-run=1ms"), "what there is runs")
		})
	}
}

// Names that have no room for anything behind them.
func TestShapeLongNames(t *testing.T) {
	t.Parallel()
	s := newShape(t, newNamespace(t, optedIn), "echo here").wholly("echo here")
	long := func(last string) string { return strings.Repeat("x", 63-len(last)) + last }
	s.Annotations[api.RulesAnnotation] = strings.Replace(rulesWith("RestartAllContainers", ""), `"app"`, `"`+long("app")+`"`, 1)
	s.app().Name = long("app")
	second := s.Spec.InitContainers[0]
	s.Spec.InitContainers[0].Name, second.Name = long("a"), long("b")
	second.Command = []string{"sh", "-c", "echo second >>/work/setups"}
	s.Spec.InitContainers = append(s.Spec.InitContainers, second)
	createIn(t, s.namespace, s.Pod)
	in := func(command ...string) string {
		stdout, stderr, err := s.try(long("app"), command...)
		require.NoError(t, err, stderr)
		return stdout
	}
	log := func(what string) {
		eventually(t, what, func() bool {
			text, _, _ := kubectl(t, "", "logs", "-n", s.namespace, s.Name, "-c", long("app"))
			return strings.Contains(text, what)
		})
	}
	log("attempt 1: here")
	before := s.running(long("app"))
	s.endFirst(long("app"))
	log("attempt 2: here")
	require.Equal(t, before.ContainerID, status(s.get(), long("app")).ContainerID)
	require.Contains(t, in("cat", fmt.Sprintf("%s/%s.json", api.AttemptPath, long("app"))), `"attempt":2,"lastExitCode":42`)
	require.Equal(t, strings.Repeat("setup: here.\nsecond\n", 2), in("cat", "/work/setups"))
	twins := map[string]bool{}
	for _, c := range s.get().Spec.Containers[1:] {
		require.Len(t, c.Name, 63)
		require.True(t, strings.HasSuffix(c.Name, api.TwinSuffix))
		twins[c.Name] = true
	}
	require.Len(t, twins, 2)
}
