//go:build e2e

package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/e2e/record"
	"restartrules.dev/pkg/api"
)

// records is a directory of the node. The application's record is there and not in an emptyDir, to be
// read when the Pod is gone.
const records = "/tmp/restartrules-e2e"

// event is a line of the application's record.
type event = record.Event

// builder makes the Pod of a test.
type builder struct{ corev1.Pod }

// newPod is a Pod with restartPolicy Never and one container, app, that runs the test application with
// these arguments.
func newPod(t *testing.T, name string, shared bool, args ...string) *builder {
	suffix := "-own"
	if shared {
		suffix = "-shared"
	}
	b := &builder{corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name + suffix, Namespace: enabled,
			Annotations: map[string]string{api.ShareProcessNamespaceAnnotation: strconv.FormatBool(shared)},
		},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: ptr.To[int64](10),
			Volumes: []corev1.Volume{
				{Name: "records", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{
					Path: filepath.Join(records, t.Name()), Type: ptr.To(corev1.HostPathDirectoryOrCreate)}}},
				{Name: "work", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	}}
	b.container("app", args...)
	return b
}

// container adds a container that runs the test application; its record is named after it.
func (b *builder) container(name string, args ...string) *builder {
	b.Spec.Containers = append(b.Spec.Containers, corev1.Container{
		Name: name, Image: appImage, ImagePullPolicy: corev1.PullIfNotPresent,
		Command: append([]string{"/app", "-record=/records/" + name}, args...),
		VolumeMounts: []corev1.VolumeMount{
			{Name: "records", MountPath: "/records"},
			{Name: "work", MountPath: "/work"},
		},
	})
	return b
}

// rules sets the rules annotation.
func (b *builder) rules(text string) *builder {
	b.Annotations[api.RulesAnnotation] = text
	return b
}

// restartOn gives the container rules, native ones where there are any: Restart on these codes, else Never.
func (b *builder) restartOn(codes ...int32) *builder {
	if !hasFields {
		values := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(codes)), ","), "[]")
		return b.rules(`{"containers": {"app": {"restartPolicy": "Never", "restartPolicyRules": [
			{"action": "Restart", "exitCodes": {"operator": "In", "values": [` + values + `]}}]}}}`)
	}
	c := &b.Spec.Containers[0]
	c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyNever)
	c.RestartPolicyRules = []corev1.ContainerRestartRule{{
		Action: corev1.ContainerRestartRuleActionRestart,
		ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
			Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: codes,
		},
	}}
	return b
}

// restartAtOnce is a rules annotation: container app restarts on the code without back-off.
func restartAtOnce(code int) string {
	return `{"containers": {"app": {"restartPolicy": "Never", "backoff": "none", "restartPolicyRules": [
		{"action": "Restart", "exitCodes": {"operator": "In", "values": [` + strconv.Itoa(code) + `]}}]}}}`
}

func (b *builder) preStop(h corev1.LifecycleHandler) *builder {
	b.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &h}
	return b
}

// runningPod is a Pod in the cluster.
type runningPod struct {
	t    *testing.T
	name string
}

// create makes the Pod, and removes it when the test is over.
func (b *builder) create(t *testing.T) *runningPod {
	t.Helper()
	pods := client.CoreV1().Pods(enabled)
	p := &runningPod{t: t, name: b.Name}
	p.remove() // of a run that was interrupted
	require.NoError(t, os.RemoveAll(filepath.Join(records, t.Name())))
	_, err := pods.Create(t.Context(), &b.Pod, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(p.remove)
	return p
}

func (p *runningPod) remove() {
	ctx := p.t.Context()
	if ctx.Err() != nil {
		ctx = contextForCleanup(p.t)
	}
	err := client.CoreV1().Pods(enabled).Delete(ctx, p.name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](1)})
	if apierrors.IsNotFound(err) {
		return
	}
	require.NoError(p.t, err)
	require.Eventually(p.t, func() bool {
		_, err := client.CoreV1().Pods(enabled).Get(ctx, p.name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, patience, lookAgain)
}

func (p *runningPod) get() *corev1.Pod {
	p.t.Helper()
	pod, err := client.CoreV1().Pods(enabled).Get(p.t.Context(), p.name, metav1.GetOptions{})
	require.NoError(p.t, err)
	return pod
}

// events reads a container's record.
func (p *runningPod) events(container string) []event {
	p.t.Helper()
	b, err := readRecord(p.t, container)
	if err != nil {
		return nil // not started yet
	}
	events, err := record.Parse(b)
	require.NoError(p.t, err)
	return events
}

// starts are the starts in a record.
func starts(events []event) int { return record.Starts(events) }

func (p *runningPod) waitStarts(container string, n int) {
	p.t.Helper()
	eventually(p.t, container+" starts "+strconv.Itoa(n)+" times", func() bool { return starts(p.events(container)) >= n })
}

func (p *runningPod) waitPhase(phase corev1.PodPhase) *corev1.Pod {
	p.t.Helper()
	var pod *corev1.Pod
	eventually(p.t, "phase "+string(phase), func() bool { pod = p.get(); return pod.Status.Phase == phase })
	return pod
}

// status is the status of a regular container.
func status(pod *corev1.Pod, container string) corev1.ContainerStatus {
	for _, s := range append(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses...) {
		if s.Name == container {
			return s
		}
	}
	return corev1.ContainerStatus{}
}

// exec runs a command in a container.
func (p *runningPod) exec(container string, command ...string) string {
	p.t.Helper()
	stdout, stderr, err := kubectl(p.t, "", append([]string{"exec", "-n", enabled, p.name, "-c", container, "--"}, command...)...)
	require.NoError(p.t, err, stderr)
	return stdout
}

// restartAll asks from inside a container for a restart of the whole Pod. That stops who asks, too, perhaps before
// the answer is read.
func (p *runningPod) restartAll(container string, flags ...string) {
	p.t.Helper()
	stdout, stderr, err := kubectl(p.t, "", append([]string{"exec", "-n", enabled, p.name, "-c", container, "--", api.ShimPath, "restart-all"}, flags...)...)
	if err == nil {
		require.Contains(p.t, stdout, "accepted")
		return
	}
	require.Contains(p.t, stderr, "exit code 137")
}

func (p *runningPod) logs(container string) string {
	p.t.Helper()
	stdout, stderr, err := kubectl(p.t, "", "logs", "-n", enabled, p.name, "-c", container)
	require.NoError(p.t, err, stderr)
	return stdout
}
