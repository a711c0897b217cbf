package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/manifest"
)

func TestProcessOne(t *testing.T) {
	at := func() *field.Path { return field.NewPath("spec", "containers").Index(0).Child("command").Index(0) }
	for _, command := range [][]string{{"/init"}, {"/init", "nginx"}, {"//init"}, {"/sbin/init"}, {"/usr/lib/systemd/systemd", "--system"}} {
		errs := ProcessOne("app", command, at)
		require.Len(t, errs, 1, "%v", command)
		require.Equal(t, "spec.containers[0].command[0]", errs[0].Field)
		require.Contains(t, errs[0].Detail, `container "app" runs /`)
	}
	require.Equal(t, `spec.containers[0].command[0]: Forbidden: container "app" runs /init, by its name s6-overlay, which works as process 1 only, `+
		"and behind the shim that applies the restart rules it is not: write the command of the program itself, or leave out the rules; "+
		"if it is something else, start it through another program, for example command: [env, /init]", ProcessOne("app", []string{"/init"}, at)[0].Error())
	for _, command := range [][]string{nil, {""}, {"init"}, {"/app/init"}, {"env", "/init"}, {"/init.sh"}, {"tini", "--", "/app"}} {
		require.Empty(t, ProcessOne("app", command, at), "%v", command)
	}
}

func TestInitContainersMayBeCalledInit(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	c := manifest.Container{Name: "c"}
	sidecar := c
	sidecar.RestartPolicy = &always
	for name, tc := range map[string]struct {
		spec    manifest.PodSpec
		wrapped bool
		refused int
	}{
		"regular":              {manifest.PodSpec{Containers: []manifest.Container{c}}, true, 1},
		"regular, not wrapped": {manifest.PodSpec{Containers: []manifest.Container{c}}, false, 0},
		"sidecar":              {manifest.PodSpec{InitContainers: []manifest.Container{sidecar}}, true, 1},
		"init container":       {manifest.PodSpec{InitContainers: []manifest.Container{c}}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			needs := func(string) Needs { return Needs{Wrapped: tc.wrapped, Command: []string{"/init"}} }
			require.Len(t, Injection(&manifest.Pod{Spec: tc.spec}, needs, nil), tc.refused)
		})
	}
}
