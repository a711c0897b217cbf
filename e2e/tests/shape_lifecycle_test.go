//go:build e2e

package tests

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

// hit is an HTTP server that ends with code 7 when its path /quit is asked for: what a hook leaves behind.
type hit struct {
	t               *testing.T
	namespace, name string
	address         string
}

func newHit(t *testing.T, namespace, name string) *hit {
	createIn(t, namespace, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: ptr.To[int64](1), Containers: []corev1.Container{{
			Name: "app", Image: appImage, ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"/app", "-listen=:8080", "-quit=7"},
			ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}},
		}}},
	})
	return &hit{t, namespace, name, waitPod(t, namespace, name, "ready", isReady).Status.PodIP}
}

func (h *hit) handler() *corev1.LifecycleHandler {
	return &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Host: h.address, Port: intstr.FromInt32(8080), Path: "/quit"}}
}

// wait waits until it was hit.
func (h *hit) wait() {
	h.t.Helper()
	pod := waitPod(h.t, h.namespace, h.name, "hit", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodFailed })
	require.EqualValues(h.t, 7, status(pod, "app").State.Terminated.ExitCode)
}

// postStart hooks run when the container starts, and again when the whole Pod does, but not when a container
// restarts by itself. They run in the container, as its user.
func TestShapePostStart(t *testing.T) {
	t.Run("exec", func(t *testing.T) {
		t.Parallel()
		s := newShape(t, newNamespace(t, optedIn), "until [ -e /work/hook ]; do sleep 0.1; done; cat /work/hook")
		s.app().SecurityContext = &corev1.SecurityContext{RunAsUser: ptr.To[int64](1234)}
		s.app().Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{
			Command: []string{"sh", "-c", "echo hook of $(id -u) >>/work/hook"}}}}
		require.Equal(t, "hook of 1234", s.restart(), "once, as the kubelet started one container")
	})
	t.Run("exec, whole Pod", func(t *testing.T) {
		t.Parallel()
		s := newShape(t, newNamespace(t, optedIn), "echo here")
		s.Annotations[api.RulesAnnotation] = rulesWith("RestartAllContainers", "")
		s.app().Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{
			Command: []string{"sh", "-c", "echo hook >>/work/hook"}}}}
		require.Equal(t, "here", s.restart())
		eventually(t, "the hook runs again", func() bool { return s.exec("cat", "/work/hook") == "hook\nhook\n" })
	})
	t.Run("httpGet", func(t *testing.T) {
		t.Parallel()
		s := newShape(t, newNamespace(t, optedIn), "echo here")
		server := newHit(t, s.namespace, "server")
		s.app().Lifecycle = &corev1.Lifecycle{PostStart: server.handler()}
		require.Equal(t, "here", s.restart(), "a second request would fail, and with it the container")
		server.wait()
	})
	t.Run("sleep", func(t *testing.T) {
		needsSleep(t)
		t.Parallel()
		s := newShape(t, newNamespace(t, optedIn), "echo here")
		s.Spec.TerminationGracePeriodSeconds = ptr.To[int64](3) // it must be longer than the hook
		s.app().Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 2}}}
		require.Equal(t, "here", s.restart())
	})
}

// preStop hooks run once, when the Pod is deleted, before the command is told to stop; nothing restarts then,
// whatever the hook makes the command end with.
func TestShapePreStop(t *testing.T) {
	for name, test := range map[string]struct {
		handler func(t *testing.T) (*corev1.LifecycleHandler, func())
		// events are those of the application from the restart on.
		events string
	}{
		"exec": {func(t *testing.T) (*corev1.LifecycleHandler, func()) {
			return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "echo hooked >>/records/hook; kill -USR1 $(pidof app); exec sleep 5"}}}, // it ends with the application
				func() {
					b, err := readRecord(t, "hook")
					require.NoError(t, err)
					require.Equal(t, "hooked\n", b)
				}
		}, "start end"}, // with 42, which would restart at any other time
		"httpGet": {func(t *testing.T) (*corev1.LifecycleHandler, func()) {
			server := newHit(t, newNamespace(t, nil), "server")
			return server.handler(), server.wait
		}, "start term end"},
		"sleep": {func(t *testing.T) (*corev1.LifecycleHandler, func()) {
			needsSleep(t)
			return &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 2}}, func() {}
		}, "start term end"},
		// The API server lets it pass, and no kubelet can do it: it says so in an event and goes on.
		"tcpSocket": {func(t *testing.T) (*corev1.LifecycleHandler, func()) {
			return &corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}, func() {}
		}, "start term end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hook, check := test.handler(t)
			p := newPod(t, "shape-prestop-"+strings.ToLower(name), true, "-run=2s,0", "-exit=42", "-on-term=42", "-quit=42").
				rules(restartAtOnce(42)).preStop(*hook).create(t)
			p.waitStarts("app", 1)
			eventually(t, "running", func() bool { return status(p.get(), "app").State.Running != nil })
			before := status(p.get(), "app").ContainerID
			p.waitStarts("app", 2)
			require.Equal(t, before, status(p.get(), "app").ContainerID)
			from := len(p.events("app")) - 1
			require.NoError(t, client.CoreV1().Pods(enabled).Delete(t.Context(), p.name, metav1.DeleteOptions{}))
			p.gone()
			require.Equal(t, test.events, verbs(p.events("app")[from:]))
			check()
		})
	}
}

// gone waits until the Pod is.
func (p *runningPod) gone() {
	p.t.Helper()
	eventually(p.t, "gone", func() bool {
		list, err := client.CoreV1().Pods(enabled).List(p.t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + p.name})
		return err == nil && len(list.Items) == 0
	})
}

// The container's message is what the last attempt wrote, as each attempt of a container that the kubelet
// restarts begins with an empty file.
func TestShapeTerminationMessage(t *testing.T) {
	for name, test := range map[string]struct {
		path          string
		user          int64
		policy        corev1.TerminationMessagePolicy
		seam          string
		first, second string
		want          string
	}{
		"last attempt's": {"", 0, "", "", "echo first >>$FILE", "echo second >>$FILE", "second\n"},
		"none":           {"", 0, "", "", "echo first >>$FILE", "true", ""},
		"a path of its own, and a user": {"/tmp/$(THIS)/$$/message", 1234, "", "", "echo first >>$FILE",
			"echo second >>$FILE", "second\n"},
		"of the log, with our line": {"", 0, corev1.TerminationMessageFallbackToLogsOnError, "", "echo first >&2", "echo second >&2",
			"first\nrestartrules: container=app attempt=1 exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=2 wait=0s\nsecond\n"},
		"of the log, without": {"", 0, corev1.TerminationMessageFallbackToLogsOnError, "off", "echo first >&2", "echo second >&2", "first\nsecond\n"},
		"of the file although the log has more": {"", 0, corev1.TerminationMessageFallbackToLogsOnError, "", "echo first", "echo second; echo message >$FILE",
			"message\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, newNamespace(t, optedIn), "")
			s.app().TerminationMessagePath, s.app().TerminationMessagePolicy = test.path, test.policy
			if test.seam != "" {
				s.Annotations[api.SeamAnnotation] = test.seam
			}
			s.app().SecurityContext = &corev1.SecurityContext{RunAsUser: &test.user}
			file := test.path
			if file == "" {
				file = corev1.TerminationMessagePathDefault
			}
			s.app().Env = []corev1.EnvVar{{Name: "FILE", Value: strings.ReplaceAll(file, "$", "$$")}}
			s.app().Command = []string{"sh", "-c", `
				if [ -e /work/again ]; then ` + test.second + `; exit 3; fi
				touch /work/again; ` + test.first + `; exit 42`}
			createIn(t, s.namespace, s.Pod)
			pod := waitPod(t, s.namespace, s.Name, "failed", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodFailed })
			end := status(pod, "app")
			require.Zero(t, end.RestartCount)
			require.NotNil(t, end.State.Terminated)
			require.EqualValues(t, 3, end.State.Terminated.ExitCode)
			require.Equal(t, test.want, end.State.Terminated.Message)
		})
	}
}

// The kubelet waits for a preStop hook that sleeps, and the command that was restarted goes on meanwhile.
func TestShapePreStopSleepIsWaitedFor(t *testing.T) {
	needsSleep(t)
	t.Parallel()
	onlyLocal(t)
	p := newPod(t, "shape-sleep", true, "-run=1s,0", "-exit=42").rules(restartAtOnce(42)).
		preStop(corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3}}).create(t)
	p.waitStarts("app", 2)
	deleted := time.Now()
	require.NoError(t, client.CoreV1().Pods(enabled).Delete(t.Context(), p.name, metav1.DeleteOptions{}))
	p.gone()
	require.Equal(t, "start end start term end", verbs(p.events("app")))
	require.GreaterOrEqual(t, time.Since(deleted), 3*time.Second)
}
