package inject

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

func TestResizePolicy(t *testing.T) {
	pod := func(policy, restart string) []byte {
		return edit(t, object(t, trainer), func(pod map[string]any) {
			spec(pod)["restartPolicy"] = policy
			container(pod, "containers", 0)["resizePolicy"] = []any{
				map[string]any{"resourceName": "cpu", "restartPolicy": "NotRequired"},
				map[string]any{"resourceName": "memory", "restartPolicy": restart},
			}
		})
	}
	survive := func(pod map[string]any) {
		pod["metadata"].(map[string]any)["annotations"] = map[string]any{api.PreferAnnotation: api.PreferSurvive}
	}
	for name, tc := range map[string]struct {
		data    []byte
		refused bool
	}{
		"policy lowered":               {pod("Always", "RestartContainer"), true},
		"policy lowered, not required": {pod("Always", "NotRequired"), false},
		"policy kept":                  {edit(t, pod("Always", "RestartContainer"), survive), false},
		"Never, as the Pod says":       {pod("Never", "RestartContainer"), false}, // the API server says it
	} {
		t.Run(name, func(t *testing.T) {
			result, err := Create(tc.data, testOptions)
			require.NoError(t, err)
			if !tc.refused {
				require.Empty(t, result.Errors)
				return
			}
			require.Len(t, result.Errors, 1)
			require.Equal(t, "spec.containers[0].resizePolicy[1].restartPolicy", result.Errors[0].Field)
			require.Contains(t, result.Errors[0].Detail, "restartPolicy Never, which replaces Always: ")
			require.Contains(t, result.Errors[0].Detail, "write NotRequired here, or keep the Pod's own restartPolicy with the annotation restartrules.dev/prefer: survive")
		})
	}
}

func TestPodsThatAreLeftAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(pod map[string]any)
		says   string
	}{
		"Windows": {func(pod map[string]any) { spec(pod)["os"] = map[string]any{"name": "windows"} }, "the Pod runs on Windows"},
		"Windows, by its nodeSelector": {func(pod map[string]any) {
			spec(pod)["nodeSelector"] = map[string]any{corev1.LabelOSStable: "windows"}
		}, "the Pod runs on Windows"},
		"static": {func(pod map[string]any) {
			pod["metadata"].(map[string]any)["annotations"] = map[string]any{corev1.MirrorPodAnnotationKey: "hash"}
		}, "the Pod is static"},
		"static, with what looks like ours": {func(pod map[string]any) {
			pod["metadata"].(map[string]any)["annotations"] = map[string]any{corev1.MirrorPodAnnotationKey: "hash", api.PlanAnnotation: "{}"}
			container(pod, "containers", 0)["command"] = []any{api.ShimPath, "run"}
		}, "the Pod is static"},
	} {
		t.Run(name, func(t *testing.T) {
			data := edit(t, object(t, trainer), tc.change)
			result, err := Create(data, testOptions)
			require.NoError(t, err)
			require.Empty(t, result.Patch)
			require.Empty(t, result.Errors)
			require.Len(t, result.Warnings, 1)
			require.Contains(t, result.Warnings[0], tc.says)
			errs, err := Check(data)
			require.NoError(t, err)
			require.Empty(t, errs)
		})
	}
}

func TestTerminationMessagePath(t *testing.T) {
	for path, want := range map[string]string{
		"":                     "",
		"/dev/termination-log": "",
		"/work/message":        "--termination-message=/work/message",
		"/$(A)/$$":             "--termination-message=/$$(A)/$$$$", // the kubelet expands a command, and not this field
	} {
		got := typed(t, created(t, edit(t, object(t, trainer), func(pod map[string]any) {
			if path != "" {
				container(pod, "containers", 0)["terminationMessagePath"] = path
			}
		})))
		var flags []string
		for _, word := range got.Spec.Containers[0].Command {
			if strings.HasPrefix(word, "--termination-message") {
				flags = append(flags, word)
			}
		}
		require.Equal(t, want, strings.Join(flags, " "))
	}
}
