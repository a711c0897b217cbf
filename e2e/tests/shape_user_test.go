//go:build e2e

package tests

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

func TestShapeNumericUser(t *testing.T) {
	singlyAndWholly(t, nil, "id -u; id -g; id -G", func(s *shape) {
		s.Spec.SecurityContext = &corev1.PodSecurityContext{
			RunAsUser: ptr.To[int64](1234), RunAsGroup: ptr.To[int64](2345), SupplementalGroups: []int64{3456}, RunAsNonRoot: ptr.To(true),
		}
	}, func(t *testing.T, s *shape, saw string) { require.Equal(t, "1234 2345 2345 3456", saw) })
}

// The image says who runs, by a name that only the image knows.
func TestShapeNamedUser(t *testing.T) {
	singlyAndWholly(t, nil, "whoami; id -u; id -g; id -G", func(s *shape) {
		s.app().Image = namedImage
		if s.whole {
			s.Spec.InitContainers[0].Image = namedImage
		}
	}, func(t *testing.T, s *shape, saw string) { require.Equal(t, "worker 4242 4243 4243 4244", saw) })
}

// Whether a name is root's the kubelet can't tell. It says so and starts nothing, with a shim as without.
func TestShapeNamedUserMayNotBeRequiredToBeNonRoot(t *testing.T) {
	t.Parallel()
	s := newShape(t, newNamespace(t, optedIn), "")
	s.app().Image = namedImage
	s.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true)}
	createIn(t, s.namespace, s.Pod)
	pod := waitPod(t, s.namespace, s.Name, "refused", func(pod *corev1.Pod) bool {
		w := status(pod, "app").State.Waiting
		return w != nil && w.Reason == "CreateContainerConfigError"
	})
	require.Contains(t, status(pod, "app").State.Waiting.Message, "container has runAsNonRoot and image has non-numeric user (worker), cannot verify user is non-root")
}

// Nothing that Pod Security "restricted" forbids is in an injected Pod.
func TestShapeRestricted(t *testing.T) {
	const look = `id -u; touch /file; grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status`
	labels := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	singlyAndWholly(t, labels, look, func(s *shape) {
		_, err := client.CoreV1().Pods(s.namespace).Create(s.t.Context(), s.Pod.DeepCopy(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		require.True(s.t, apierrors.IsForbidden(err), "the namespace enforces it: %v", err)
		s.Spec.SecurityContext = &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](1234), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}
		context := &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
		s.app().SecurityContext = context
		if s.whole {
			s.Spec.InitContainers[0].SecurityContext = context
		}
	}, func(t *testing.T, s *shape, saw string) {
		const none = "0000000000000000"
		require.Equal(t, "1234 touch: /file: Read-only file system CapEff: "+none+" CapBnd: "+none+" NoNewPrivs: 1 Seccomp: 2", saw)
		// The watcher, as the container sees it in the shared process namespace.
		watcher := s.exec("sh", "-c", `for p in /proc/[0-9]*; do
			if [ "$(tr '\0' ' ' <$p/cmdline)" = "/watcher serve " ]; then grep -E "^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):" $p/status | tr -s '\t\n' '  '; fi
		done`)
		require.Equal(t, "Uid: 65532 65532 65532 65532 CapEff: "+none+" CapBnd: "+none+" NoNewPrivs: 1 Seccomp: 2 ", watcher)
	})
}

func TestShapeReadOnlyRootFilesystem(t *testing.T) {
	singlyAndWholly(t, nil, "id -u; touch /file; touch /work/file && echo written", func(s *shape) {
		readOnly := &corev1.SecurityContext{ReadOnlyRootFilesystem: ptr.To(true)}
		s.app().SecurityContext = readOnly
		if s.whole {
			s.Spec.InitContainers[0].SecurityContext = readOnly
		}
	}, func(t *testing.T, s *shape, saw string) {
		require.Equal(t, "0 touch: /file: Read-only file system written", saw)
	})
}

// Volumes are of the group, ours is no exception, and the application can write to all of them.
func TestShapeFSGroup(t *testing.T) {
	singlyAndWholly(t, nil, "id -G; stat -c %g /work; rm -f /work/file; touch /work/file; stat -c %g /work/file", func(s *shape) {
		s.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](1234), RunAsGroup: ptr.To[int64](2345), FSGroup: ptr.To[int64](5555)}
	}, func(t *testing.T, s *shape, saw string) {
		require.Equal(t, "2345 5555 5555 5555", saw)
		require.Equal(t, "5555\n", s.exec("stat", "-c", "%g", api.AttemptPath))
	})
}
