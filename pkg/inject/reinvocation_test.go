package inject

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
)

func prepend(list any, item map[string]any) []any {
	items, _ := list.([]any)
	return append([]any{item}, items...)
}

func TestReinvocationAfterOthersHaveAdded(t *testing.T) {
	// Others put a container in front and a token into the watcher, as service meshes and the
	// ServiceAccount admission do, and a container that follows the Pod's own policy.
	first := created(t, object(t, strings.Replace(trainer, "restartPolicy: Never\n", "restartPolicy: Always\n", 1)))
	changed := edit(t, first, func(pod map[string]any) {
		watcher := container(pod, "initContainers", 0)
		watcher["volumeMounts"] = append(watcher["volumeMounts"].([]any), map[string]any{"name": "token", "mountPath": "/var/run/secrets"})
		watcher["future"] = "kept"
		spec(pod)["initContainers"] = prepend(spec(pod)["initContainers"], map[string]any{"name": "mesh", "restartPolicy": "Always",
			"resources": map[string]any{"requests": map[string]any{"cpu": "10m", "memory": "1Mi"}}})
		spec(pod)["containers"] = prepend(spec(pod)["containers"], map[string]any{"name": "agent", "command": []any{"/agent"}})
	})
	second := created(t, changed)
	got := typed(t, second)

	require.Equal(t, []string{"mesh", api.WatcherContainer}, names(got.Spec.InitContainers), "who has no shim may be before it")
	watcher := got.Spec.InitContainers[1]
	require.Len(t, watcher.VolumeMounts, 3)
	require.Equal(t, "10m", watcher.Resources.Requests.Cpu().String())
	require.Equal(t, "16Mi", watcher.Resources.Requests.Memory().String())
	require.Contains(t, string(second), `"future":"kept"`)

	require.Equal(t, []string{"/restartrules/shim", "run", "--container=agent", "--on-exit=0-255:restart/policy", "--", "/agent"}, got.Spec.Containers[0].Command)
	require.Equal(t, typed(t, first).Spec.Containers[0], got.Spec.Containers[1])

	p, err := plan.Decode(got.Annotations[api.PlanAnnotation])
	require.NoError(t, err)
	require.Equal(t, plan.RestartPolicy{Own: "Always", Compiled: "Never"}, p.RestartPolicy)
	require.Equal(t, []string{"agent", "trainer"}, p.Wrapped())
	require.Contains(t, string(p.Container("trainer").Declared), "42")

	require.Equal(t, string(second), string(created(t, second)))
	errs, err := Check(second)
	require.NoError(t, err)
	require.Empty(t, errs)
	errs, err = Check(changed)
	require.NoError(t, err)
	require.NotEmpty(t, errs)
}

func TestTheWatcherIsBeforeWhatHasAShim(t *testing.T) {
	setup := map[string]any{"name": "setup", "command": []any{"/setup"}}
	mesh := map[string]any{"name": "mesh", "restartPolicy": "Always"}
	live := created(t, edit(t, object(t, strings.Replace(trainer, "restartPolicy: Never\n", "restartPolicy: Always\n", 1)), func(pod map[string]any) {
		spec(pod)["initContainers"] = []any{setup}
	}))
	order := func(data []byte) []string { return names(typed(t, data).Spec.InitContainers) }
	require.Equal(t, []string{api.WatcherContainer, "setup"}, order(live))
	for _, tc := range []struct{ is, want []string }{
		{[]string{"mesh", api.WatcherContainer, "setup"}, []string{"mesh", api.WatcherContainer, "setup"}},
		{[]string{"setup", "mesh", api.WatcherContainer}, []string{api.WatcherContainer, "setup", "mesh"}},
		{[]string{"setup", api.WatcherContainer, "mesh"}, []string{api.WatcherContainer, "setup", "mesh"}},
		{[]string{"mesh", "setup", api.WatcherContainer}, []string{api.WatcherContainer, "mesh", "setup"}},
	} {
		again := created(t, edit(t, live, func(pod map[string]any) {
			var list []any
			for _, name := range tc.is {
				switch name {
				case "mesh":
					list = append(list, mesh)
				case "setup":
					list = append(list, container(pod, "initContainers", 1))
				default:
					list = append(list, container(pod, "initContainers", 0))
				}
			}
			spec(pod)["initContainers"] = list
		}))
		require.Equal(t, tc.want, order(again))
		require.Empty(t, mustCreate(t, again).Patch)
		errs, err := Check(again)
		require.NoError(t, err)
		require.Empty(t, errs)
	}
}

// TestReinvocationSaysWhatIsBroken: what can't be mended is refused, naming it.
func TestReinvocationSaysWhatIsBroken(t *testing.T) {
	live := created(t, object(t, trainer))
	for want, change := range map[string]func(pod map[string]any){
		`spec.initContainers: Forbidden: container "restartrules-watcher" is missing`:                 func(pod map[string]any) { delete(spec(pod), "initContainers") },
		`metadata.labels[restartrules.dev/mode]: Forbidden: it is not "emulated"`:                     func(pod map[string]any) { delete(meta(pod, "labels"), api.ModeLabel) },
		`spec.restartPolicy: Forbidden: it is OnFailure instead of Never`:                             func(pod map[string]any) { spec(pod)["restartPolicy"] = "OnFailure" },
		`spec.containers: Forbidden: container "trainer" is missing, against the Pod's plan: another`: func(pod map[string]any) { container(pod, "containers", 0)["name"] = "other" },
	} {
		result, err := Create(edit(t, live, change), testOptions)
		require.NoError(t, err)
		require.Empty(t, result.Patch)
		require.NotEmpty(t, result.Errors)
		require.True(t, strings.HasPrefix(result.Errors[0].Error(), want), "%s", result.Errors[0])
	}
}

func TestReinvocationOfPodWithoutShims(t *testing.T) {
	const worker = `
metadata: {}
spec:
  restartPolicy: Always
  containers: [{name: worker, restartPolicy: Never}]
`
	first := created(t, object(t, worker))
	require.EqualValues(t, "Never", typed(t, first).Spec.RestartPolicy)
	second := typed(t, created(t, edit(t, first, func(pod map[string]any) {
		spec(pod)["containers"] = append(spec(pod)["containers"].([]any), map[string]any{"name": "agent", "command": []any{"/agent"}})
	})))
	require.Equal(t, api.ShimPath, second.Spec.Containers[1].Command[0], "the added container keeps on being restarted always")
}

func TestReinvocationTakesBackWhatIsNotNeededAnyMore(t *testing.T) {
	const annotated = `
metadata:
  annotations: {restartrules.dev/rules: "containers: {a: {restartPolicy: OnFailure}}"}
spec:
  restartPolicy: Never
  containers:
  - {name: a, command: [x], lifecycle: {preStop: {exec: {command: [bye]}}}, volumeMounts: [{name: v, mountPath: /v}]}
  - {name: b, command: [z]}
`
	data := object(t, annotated)
	first := created(t, data)
	require.Equal(t, api.ShimPath, typed(t, first).Spec.Containers[0].Command[0])
	second := created(t, edit(t, first, func(pod map[string]any) {
		meta(pod, "annotations")[api.RulesAnnotation] = "containers: {a: {restartPolicy: Never}}"
	}))
	want, got := typed(t, data), typed(t, second)
	require.Equal(t, want.Spec.Containers, got.Spec.Containers)
	require.Empty(t, got.Spec.InitContainers)
	require.Empty(t, got.Spec.Volumes)
	require.Empty(t, got.Labels)
	errs, err := Check(second)
	require.NoError(t, err)
	require.Empty(t, errs)
}

func TestReinvocationReplacesWatcherOfAnotherRelease(t *testing.T) {
	old := edit(t, created(t, object(t, trainer)), func(pod map[string]any) {
		watcher := container(pod, "initContainers", 0)
		watcher["command"], watcher["image"] = []any{"/shim", "/watcher"}, "example.com/restartrules:v0"
	})
	watcher := typed(t, created(t, old)).Spec.InitContainers[0]
	require.Equal(t, testOptions.Image, watcher.Image)
	require.Equal(t, "serve", watcher.Command[len(watcher.Command)-1])
}

func TestNamesThatAreOurs(t *testing.T) {
	data := edit(t, object(t, trainer), func(pod map[string]any) {
		spec(pod)["volumes"] = []any{map[string]any{"name": api.VolumeName}}
		spec(pod)["initContainers"] = []any{map[string]any{"name": api.WatcherContainer}}
		container(pod, "containers", 0)["volumeMounts"] = []any{map[string]any{"name": "x", "mountPath": "/restartrules"}}
	})
	result, err := Create(data, testOptions)
	require.NoError(t, err)
	require.Empty(t, result.Patch)
	require.Len(t, result.Errors, 3)
}

func names(containers []corev1.Container) (list []string) {
	for _, c := range containers {
		list = append(list, c.Name)
	}
	return list
}
