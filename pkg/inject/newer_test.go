package inject

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/api"
)

// newer is a Pod as a release might inject it whose plans we can't read.
func newer(t *testing.T) []byte {
	return edit(t, created(t, object(t, written)), func(pod map[string]any) {
		meta(pod, "annotations")[api.PlanAnnotation] = `{"version":2,"parts":"in another order"}`
		container(pod, "containers", 0)["command"] = []any{"/restartrules/shim", "go", "--", "/train"}
	})
}

func TestAPodOfANewerRelease(t *testing.T) {
	live := newer(t)
	result, err := Create(live, testOptions)
	require.NoError(t, err)
	require.Empty(t, result.Errors)
	require.Empty(t, result.Patch, "its release knows what it does")
	require.Len(t, result.Warnings, 1)
	require.LessOrEqual(t, len(result.Warnings[0]), maxWarning)
	errs, err := Check(live)
	require.NoError(t, err)
	require.Empty(t, errs)
}

func TestUpdatesOfAPodOfANewerRelease(t *testing.T) {
	live := newer(t)
	for name, tc := range map[string]struct{ change, kept func(pod map[string]any) }{
		"nothing": {func(map[string]any) {}, func(map[string]any) {}},
		"image": {
			func(pod map[string]any) { container(pod, "containers", 0)["image"] = "x:2" },
			func(pod map[string]any) { container(pod, "containers", 0)["image"] = "x:2" }},
		"our marks removed": {
			func(pod map[string]any) {
				delete(meta(pod, "labels"), api.ModeLabel)
				delete(meta(pod, "annotations"), api.PlanAnnotation)
			}, func(map[string]any) {}},
		"plan of a user": {
			func(pod map[string]any) { meta(pod, "annotations")[api.PlanAnnotation] = `{"version":1}` },
			func(map[string]any) {}},
		"unchanged manifest, which the API server judges": {
			func(pod map[string]any) { container(pod, "containers", 0)["command"] = []any{"/train"} },
			func(pod map[string]any) { container(pod, "containers", 0)["command"] = []any{"/train"} }},
	} {
		t.Run(name, func(t *testing.T) {
			request := edit(t, live, tc.change)
			result, err := Update(request, live, testOptions)
			require.NoError(t, err)
			require.Empty(t, result.Errors)
			patched := apply(t, request, result.Patch)
			require.JSONEq(t, string(edit(t, live, tc.kept)), string(patched))
			for _, w := range result.Warnings {
				require.LessOrEqual(t, len(w), maxWarning)
			}
			errs, err := CheckUpdate(patched, live)
			require.NoError(t, err)
			require.Empty(t, errs)
		})
	}
}

func TestAnUpdateIsRefusedForWhatItBreaksOnly(t *testing.T) {
	live := edit(t, created(t, object(t, written)), func(pod map[string]any) {
		// As if an earlier release had done without these.
		delete(meta(pod, "labels"), api.ModeLabel)
		c := container(pod, "containers", 0)
		c["volumeMounts"] = c["volumeMounts"].([]any)[:1]
	})
	errs, err := Check(live)
	require.NoError(t, err)
	require.Len(t, errs, 2)

	image := edit(t, live, func(pod map[string]any) { container(pod, "containers", 0)["image"] = "x:2" })
	errs, err = CheckUpdate(image, live)
	require.NoError(t, err)
	require.Empty(t, errs)

	errs, err = CheckUpdate(edit(t, image, func(pod map[string]any) { spec(pod)["restartPolicy"] = "Always" }), live)
	require.NoError(t, err)
	require.Len(t, errs, 1)
	require.Equal(t, "spec.restartPolicy", errs[0].Field)
}

// TestPodsOfOlderReleases holds what is in clusters: Pods as earlier versions of this package have injected
// them, and what their users had written. The files are never written again.
func TestPodsOfOlderReleases(t *testing.T) {
	files, err := filepath.Glob("testdata/releases/*/*.injected.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			live, manifest := readJSON(t, file), readJSON(t, strings.TrimSuffix(file, ".injected.yaml")+".yaml")
			errs, err := Check(live)
			require.NoError(t, err)
			require.Empty(t, errs, "as while we are upgraded")

			for name, request := range map[string][]byte{
				"image":                       edit(t, live, func(pod map[string]any) { container(pod, "containers", 0)["image"] = "x:2" }),
				"its manifest, applied again": merged(t, live, manifest),
			} {
				result, err := Update(request, live, testOptions)
				require.NoError(t, err)
				require.Empty(t, result.Errors, name)
				patched := apply(t, request, result.Patch)
				if name == "image" {
					require.Empty(t, result.Patch)
				} else {
					require.Equal(t, typed(t, live), typed(t, patched))
				}
				errs, err = CheckUpdate(patched, live)
				require.NoError(t, err)
				require.Empty(t, errs)
			}

			// A second look makes it what we inject.
			again := created(t, live)
			require.Equal(t, typed(t, created(t, manifest)).Spec, typed(t, again).Spec)
			require.Empty(t, mustCreate(t, again).Patch)
		})
	}
}

func readJSON(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	data, err := yaml.YAMLToJSON(text)
	require.NoError(t, err)
	return data
}

// merged is the live Pod with what its manifest says over it, as a second kubectl apply sends it.
func merged(t *testing.T, live, manifest []byte) []byte {
	t.Helper()
	data, err := strategicpatch.StrategicMergePatch(live, manifest, corev1.Pod{})
	require.NoError(t, err)
	return data
}

func mustCreate(t *testing.T, data []byte) Result {
	t.Helper()
	result, err := Create(data, testOptions)
	require.NoError(t, err)
	return result
}

// TestPlansOfUsers: what a user writes there has no part in what is made of the Pod.
func TestPlansOfUsers(t *testing.T) {
	want := created(t, object(t, trainer))
	for _, forged := range []string{
		"", "{}", "null", "[]", `"x"`, `{"version":1}`, `{"version":2}`, `{"version":-1}`, `{"version":99,"restartPolicy":{"own":"Always","compiled":"Never"}}`,
		`{"version":1,"restartPolicy":{"own":"Always","compiled":"Always"},"containers":[]}`,
		`{"version":1,"restartPolicy":{"own":"Always","compiled":"Never"},"containers":[{"name":"trainer","kind":"container","wrapped":true,"onExit":"0-255:end"}]}`,
		`{"version":1,"restartPolicy":{"own":"Never","compiled":"Never"},"restartAll":{},"containers":[{"name":"other","kind":"container","wrapped":false}]}`,
	} {
		data := edit(t, object(t, trainer), func(pod map[string]any) {
			pod["metadata"].(map[string]any)["annotations"] = map[string]any{api.PlanAnnotation: forged, api.StatusAnnotation: forged}
		})
		got := created(t, data)
		require.JSONEq(t, string(want), string(got), "%s", forged)

		data = edit(t, data, func(pod map[string]any) {
			delete(container(pod, "containers", 0), "restartPolicy")
			delete(container(pod, "containers", 0), "restartPolicyRules")
		})
		got = created(t, data)
		require.NotContains(t, typed(t, got).Annotations, api.PlanAnnotation, "%s", forged)
		require.NotContains(t, typed(t, got).Annotations, api.StatusAnnotation, "%s", forged)

		// Nor afterwards.
		live := object(t, "metadata: {annotations: {a: b}}\nspec: {containers: [{name: a}]}")
		request := edit(t, live, func(pod map[string]any) { meta(pod, "annotations")[api.PlanAnnotation] = forged })
		result, err := Update(request, live, testOptions)
		require.NoError(t, err)
		require.JSONEq(t, string(live), string(apply(t, request, result.Patch)))
	}
}
