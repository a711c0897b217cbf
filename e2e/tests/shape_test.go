//go:build e2e

package tests

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

// The images of Pods of special shapes, see e2e/images.
const (
	namedImage   = "localhost/restartrules/named:dev"
	scratchImage = "localhost/restartrules/scratch:dev"
)

// looking defines in a script what a container sees of itself, in one line.
const looking = `
look() {
%s
}
seen() { text=$(look "$@" 2>&1); printf %%s "$text" | tr '\t\n' '  ' | tr -s ' '; }
`

// attempts is a script for a container that says in each attempt what it sees. The first attempt waits for a
// file and ends with 42, the second one stays.
const attempts = looking + `
n=$(cat /work/attempts 2>/dev/null || echo 0); n=$((n+1)); echo $n >/work/attempts
echo "attempt $n: $(seen "$@")."
if [ $n = 1 ]; then until [ -e /work/go ]; do sleep 0.1; done; exit 42; fi
exec tail -f /dev/null`

// shape is a Pod that restarts in place on exit code 42.
type shape struct {
	*corev1.Pod
	t *testing.T
	// namespace is one that has opted in.
	namespace string
	// whole says that all containers restart, not the one.
	whole bool
}

// app is the container.
func (s *shape) app() *corev1.Container { return &s.Spec.Containers[0] }

// newShape is a Pod in a namespace with these labels beside ours. look is a shell script.
func newShape(t *testing.T, namespace, look string) *shape {
	mounts := []corev1.VolumeMount{{Name: "work", MountPath: "/work"}}
	return &shape{t: t, namespace: namespace, Pod: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "shape", Annotations: map[string]string{api.RulesAnnotation: restartAtOnce(42)}},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: ptr.To[int64](1),
			Volumes:                       []corev1.Volume{{Name: "work", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			Containers: []corev1.Container{{
				Name: "app", Image: appImage, ImagePullPolicy: corev1.PullIfNotPresent,
				Command: []string{"sh", "-c", fmt.Sprintf(attempts, look)}, VolumeMounts: mounts,
			}},
		},
	}}
}

// wholly has the whole Pod restart, with an init container that looks, too.
func (s *shape) wholly(look string) *shape {
	s.whole = true
	s.Annotations[api.RulesAnnotation] = rulesWith("RestartAllContainers", "")
	setup := *s.app().DeepCopy()
	setup.Name = "setup"
	setup.Command = []string{"sh", "-c", fmt.Sprintf(looking+`echo "setup: $(seen)." >>/work/setups`, look)}
	s.Spec.InitContainers = []corev1.Container{setup}
	return s
}

// singlyAndWholly runs the test with a container that restarts, and with a whole Pod that does: change makes
// the shape of it.
func singlyAndWholly(t *testing.T, labels map[string]string, look string, change func(s *shape), test func(t *testing.T, s *shape, saw string)) {
	for name, whole := range map[string]bool{"container": false, "whole Pod": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, newNamespace(t, withOptIn(labels)), look)
			if whole {
				s.wholly(look)
			}
			change(s)
			saw := s.restart()
			if whole {
				require.Equal(t, strings.Repeat("setup: "+saw+".\n", 2), s.exec("cat", "/work/setups"), "the init container, and its twin")
			}
			test(t, s, saw)
		})
	}
}

func withOptIn(labels map[string]string) map[string]string {
	all := map[string]string{api.InjectLabel: api.InjectEnabled}
	for k, v := range labels {
		all[k] = v
	}
	return all
}

// restart creates the Pod, has it restart in place, and gives what its second attempt says of itself, in
// one line. The first has said the same, by then, and the container is the same.
func (s *shape) restart() (saw string) {
	s.t.Helper()
	createIn(s.t, s.namespace, s.Pod)
	first := s.saw(1)
	before := s.running("app")
	require.Equal(s.t, api.ModeEmulated, s.get().Labels[api.ModeLabel])
	s.endFirst("app")
	saw = s.saw(2)
	require.Equal(s.t, first, saw, "the second attempt sees what the first one saw")
	after := status(s.get(), "app")
	require.Equal(s.t, before.ContainerID, after.ContainerID)
	require.Zero(s.t, after.RestartCount)
	require.Contains(s.t, s.exec("cat", api.AttemptPath+"/app.json"), `"attempt":2,"lastExitCode":42`)
	return saw
}

// saw waits for what an attempt of the container says.
func (s *shape) saw(attempt int) (text string) {
	s.t.Helper()
	line := regexp.MustCompile(fmt.Sprintf(`(?m)^attempt %d: (.*)\.\r?$`, attempt))
	eventually(s.t, fmt.Sprintf("attempt %d", attempt), func() bool {
		log, _, err := kubectl(s.t, "", "logs", "-n", s.namespace, s.Name, "-c", "app")
		match := line.FindStringSubmatch(log)
		if err != nil || match == nil {
			return false
		}
		text = match[1]
		return true
	})
	return text
}

// running waits until the API server has heard of the container.
func (s *shape) running(container string) corev1.ContainerStatus {
	s.t.Helper()
	return status(waitPod(s.t, s.namespace, s.Name, container+" runs", func(pod *corev1.Pod) bool { return status(pod, container).State.Running != nil }), container)
}

func (s *shape) get() *corev1.Pod { return getPod(s.t, s.namespace, s.Name) }

// exec runs a command in the container.
func (s *shape) exec(command ...string) string {
	s.t.Helper()
	stdout, stderr, err := s.try("app", command...)
	require.NoError(s.t, err, stderr)
	return stdout
}

// try runs a command in a container that may not be there, or end at that moment.
func (s *shape) try(container string, command ...string) (stdout, stderr string, err error) {
	s.t.Helper()
	return kubectl(s.t, "", append([]string{"exec", "-n", s.namespace, s.Name, "-c", container, "--"}, command...)...)
}

// endFirst has the first attempt end. What does it ends with it: nothing of the container is left then.
func (s *shape) endFirst(container string) {
	s.t.Helper()
	_, _, _ = s.try(container, "touch", "/work/go")
}
