//go:build e2e

package tests

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

func TestShapeHostNetwork(t *testing.T) {
	t.Parallel()
	s := newShape(t, newNamespace(t, optedIn), `ip -4 -o addr | grep -c " $HOST_IP/"`)
	s.Spec.HostNetwork = true
	s.app().Env = []corev1.EnvVar{{Name: "HOST_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.hostIP"}}}}
	require.Equal(t, "1", s.restart(), "the node's address is the container's")
	require.Equal(t, s.get().Status.HostIP, s.get().Status.PodIP)
}

func TestShapeHostPID(t *testing.T) {
	singlyAndWholly(t, nil, `pidof kubelet >/dev/null && echo "sees the kubelet"`,
		func(s *shape) { s.Spec.HostPID = true },
		func(t *testing.T, s *shape, saw string) {
			require.Equal(t, "sees the kubelet", saw)
			require.Nil(t, s.get().Spec.ShareProcessNamespace, "API servers refuse both together")
		})
}

// processOne is the program that is process 1 of the container's PID namespace.
const processOne = `tr '\0' '\n' </proc/1/cmdline | head -1`

func TestShapeProcessNamespace(t *testing.T) {
	for name, test := range map[string]struct {
		annotation string
		field      *bool
		want       string
	}{
		"shared by default":             {"", nil, "/pause"},
		"not shared, by the annotation": {"false", nil, api.ShimPath},
		"not shared, by the Pod":        {"", ptr.To(false), api.ShimPath},
	} {
		t.Run(name, func(t *testing.T) {
			change := func(s *shape) {
				if test.annotation != "" {
					s.Annotations[api.ShareProcessNamespaceAnnotation] = test.annotation
				}
				s.Spec.ShareProcessNamespace = test.field
			}
			// Of an init container nothing but its twin has a shim.
			singlyAndWholly(t, nil, processOne+` | sed "s|^sh$|`+api.ShimPath+`|"`, change, func(t *testing.T, s *shape, saw string) {
				require.Equal(t, test.want, saw)
				if test.want == "/pause" {
					require.True(t, *s.get().Spec.ShareProcessNamespace)
				} else {
					require.Equal(t, test.field, s.get().Spec.ShareProcessNamespace)
				}
			})
		})
	}
}

// What insists on being process 1 is refused if it is known to, whatever the process namespace.
func TestShapeInitSystemsAreRefused(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, optedIn)
	for _, program := range []string{"/init", "/sbin/init", "/lib/systemd/systemd"} {
		for _, share := range []string{"true", "false"} {
			s := newShape(t, namespace, "")
			s.Annotations[api.ShareProcessNamespaceAnnotation] = share
			s.app().Command = []string{program}
			_, err := dryRun(t, namespace, s.Pod)
			require.True(t, apierrors.IsInvalid(err), "%v", err)
			require.ErrorContains(t, err, `container "app" runs `+program+", by its name ")
			require.ErrorContains(t, err, "write the command of the program itself")
		}
	}
}

// One that is not known ends as it would in any container where it is not process 1, and its rules are
// asked about that.
func TestShapeInsistsOnProcessOne(t *testing.T) {
	for name, share := range map[string]string{"shared process namespace": "true", "own process namespaces": "false"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShape(t, newNamespace(t, optedIn), `[ $$$$ = 1 ] || echo "I am not process 1"`)
			s.Annotations[api.ShareProcessNamespaceAnnotation] = share
			require.Equal(t, "I am not process 1", s.restart())
		})
	}
}
