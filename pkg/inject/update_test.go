package inject

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
)

// written is a Pod with everything that Create replaces: Always becomes Never.
const written = `
metadata:
  name: p
  labels: {app: p}
  annotations: {restartrules.dev/rules: "initContainers: {setup: {restartPolicy: OnFailure}}"}
spec:
  restartPolicy: Always
  initContainers:
  - {name: setup, command: [/setup]}
  containers:
  - name: trainer
    command: [/train]
    restartPolicy: Never
    restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]
    lifecycle: {preStop: {exec: {command: [/bye]}}}
  - {name: plain, restartPolicy: Never}
`

// reapplied is the live Pod with what a second kubectl apply of the manifest sends: the fields that
// the user wrote, over those that are live.
func reapplied(t *testing.T, live []byte) []byte {
	t.Helper()
	return edit(t, live, func(pod map[string]any) {
		spec(pod)["restartPolicy"] = "Always"
		container(pod, "initContainers", 1)["command"] = []any{"/setup"}
		c := container(pod, "containers", 0)
		c["command"] = []any{"/train"}
		c["lifecycle"] = map[string]any{"preStop": map[string]any{"exec": map[string]any{"command": []any{"/bye"}}}}
		c["restartPolicy"] = "Never"
		c["restartPolicyRules"] = []any{map[string]any{"action": "Restart", "exitCodes": map[string]any{"operator": "In", "values": []any{42}}}}
		container(pod, "containers", 1)["restartPolicy"] = "Never"
	})
}

func TestUpdate(t *testing.T) {
	live := created(t, object(t, written))
	const created = "; delete the Pod and create it again"
	const forbidden = "Forbidden: pod updates may not change restart rules: "
	for name, tc := range map[string]struct {
		change func(pod map[string]any)
		// reapply sends the user's fields again before the change.
		reapply bool
		errs    []string
		// kept is what the change leaves in the Pod, beside the live one.
		kept func(pod map[string]any)
	}{
		"nothing":            {},
		"unchanged manifest": {reapply: true},
		"image": {
			change: func(pod map[string]any) { container(pod, "containers", 0)["image"] = "x:2" },
			kept:   func(pod map[string]any) { container(pod, "containers", 0)["image"] = "x:2" },
		},
		"another command is for the API server to judge": {
			change: func(pod map[string]any) { container(pod, "containers", 0)["command"] = []any{"/other"} },
			kept:   func(pod map[string]any) { container(pod, "containers", 0)["command"] = []any{"/other"} },
		},
		"another policy too": {
			change: func(pod map[string]any) { spec(pod)["restartPolicy"] = "OnFailure" },
			kept:   func(pod map[string]any) { spec(pod)["restartPolicy"] = "OnFailure" },
		},
		"our marks removed": {change: func(pod map[string]any) {
			delete(meta(pod, "labels"), api.ModeLabel)
			delete(meta(pod, "annotations"), api.PlanAnnotation)
			delete(meta(pod, "annotations"), api.SafeToEvictAnnotation)
		}},
		"all labels and the plan changed": {
			change: func(pod map[string]any) {
				delete(pod["metadata"].(map[string]any), "labels")
				meta(pod, "annotations")[api.PlanAnnotation] = "{}"
				meta(pod, "annotations")[api.SafeToEvictAnnotation] = "scratch"
			},
			kept: func(pod map[string]any) {
				delete(meta(pod, "labels"), "app")
				meta(pod, "annotations")[api.SafeToEvictAnnotation] = "scratch,restartrules"
			},
		},
		"annotation with another layout": {
			change: func(pod map[string]any) {
				meta(pod, "annotations")[api.RulesAnnotation] = `{"initContainers": {"setup": {"restartPolicy": "OnFailure"}}}`
			},
			kept: func(pod map[string]any) {
				meta(pod, "annotations")[api.RulesAnnotation] = `{"initContainers": {"setup": {"restartPolicy": "OnFailure"}}}`
			},
		},
		"annotation changed": {
			change: func(pod map[string]any) {
				meta(pod, "annotations")[api.RulesAnnotation] = "initContainers: {setup: {restartPolicy: Never}}"
			},
			errs: []string{"metadata.annotations[restartrules.dev/rules]: " + forbidden + "this annotation was changed" + created},
		},
		"annotation removed": {
			change: func(pod map[string]any) { delete(meta(pod, "annotations"), api.RulesAnnotation) },
			errs:   []string{"metadata.annotations[restartrules.dev/rules]: " + forbidden + "this annotation was removed" + created},
		},
		"rules changed": {
			reapply: true,
			change: func(pod map[string]any) {
				container(pod, "containers", 0)["restartPolicyRules"].([]any)[0].(map[string]any)["exitCodes"].(map[string]any)["values"] = []any{43}
			},
			errs: []string{`spec.containers[0].restartPolicyRules: ` + forbidden + `container "trainer" was created with another rule than this` + created},
		},
		"policy of a container changed": {
			reapply: true,
			change:  func(pod map[string]any) { container(pod, "containers", 1)["restartPolicy"] = "Always" },
			errs:    []string{`spec.containers[1].restartPolicy: ` + forbidden + `container "plain" was created with restartPolicy Never` + created},
		},
		"rules added to a container that has them in the annotation, the same": {
			change: func(pod map[string]any) { container(pod, "initContainers", 1)["restartPolicy"] = "OnFailure" },
		},
		"rules added": {
			change: func(pod map[string]any) { container(pod, "initContainers", 1)["restartPolicy"] = "Never" },
			errs:   []string{`spec.initContainers[1].restartPolicy: ` + forbidden + `container "setup" was created with no restartPolicy` + created},
		},
		"rules removed from the manifest": {
			reapply: true,
			change: func(pod map[string]any) {
				delete(container(pod, "containers", 0), "restartPolicy")
				delete(container(pod, "containers", 0), "restartPolicyRules")
			},
			errs: []string{
				`spec.containers[0].restartPolicy: ` + forbidden + `container "trainer" was created with restartPolicy Never` + created,
				`spec.containers[0].restartPolicyRules: ` + forbidden + `container "trainer" was created with another rule than this` + created},
		},
	} {
		t.Run(name, func(t *testing.T) {
			request := live
			if tc.reapply {
				request = reapplied(t, request)
			}
			if tc.change != nil {
				request = edit(t, request, tc.change)
			}
			result, err := Update(request, live, testOptions)
			require.NoError(t, err)
			var errs []string
			for _, e := range result.Errors {
				errs = append(errs, e.Error())
			}
			require.Equal(t, tc.errs, errs)
			if len(errs) > 0 {
				require.Empty(t, result.Patch)
				return
			}
			want := live
			if tc.kept != nil {
				want = edit(t, want, tc.kept)
			}
			require.JSONEq(t, string(want), string(apply(t, request, result.Patch)))
			if tc.change == nil && !tc.reapply {
				require.Empty(t, result.Patch)
			}
		})
	}
}

func TestUpdateOfPodWithoutShims(t *testing.T) {
	const worker = "metadata: {}\nspec: {restartPolicy: Never, containers: [{name: worker, restartPolicy: OnFailure}]}"
	live := created(t, object(t, worker))
	request := edit(t, live, func(pod map[string]any) {
		spec(pod)["restartPolicy"] = "Never"
		container(pod, "containers", 0)["restartPolicy"] = "OnFailure"
	})
	result, err := Update(request, live, testOptions)
	require.NoError(t, err)
	require.Empty(t, result.Errors)
	require.JSONEq(t, string(live), string(apply(t, request, result.Patch)))
}

func TestCheckOfWholePod(t *testing.T) {
	text, err := os.ReadFile("testdata/restart-all-sidecar.yaml")
	require.NoError(t, err)
	live := created(t, object(t, string(text)))
	require.Equal(t, []string{"restartrules-watcher", "fetch-replay", "fetch", "agent"}, names(typed(t, live).Spec.InitContainers)[:4])
	mesh := map[string]any{"name": "mesh", "restartPolicy": "Always"}
	exclude := func(pod map[string]any) { meta(pod, "annotations")[api.ExcludeContainersAnnotation] = "mesh" }
	const late = `container "mesh" came after Restart Rules had seen the Pod for the last time, so it can't restart with the whole Pod: name it in the annotation restartrules.dev/exclude-containers`
	for name, tc := range map[string]struct {
		change func(pod map[string]any)
		errs   []string
	}{
		"nothing": {func(map[string]any) {}, nil},
		"a sidecar came later": {func(pod map[string]any) { spec(pod)["initContainers"] = prepend(spec(pod)["initContainers"], mesh) }, []string{
			"spec.initContainers[0]: Forbidden: " + late}},
		"a container came later": {func(pod map[string]any) { spec(pod)["containers"] = append(spec(pod)["containers"].([]any), mesh) }, []string{
			"spec.containers[2]: Forbidden: " + late}},
		"an excluded sidecar came later": {func(pod map[string]any) {
			exclude(pod)
			spec(pod)["initContainers"] = prepend(spec(pod)["initContainers"], mesh)
		}, nil},
		"an excluded container came later": {func(pod map[string]any) {
			exclude(pod)
			spec(pod)["containers"] = prepend(spec(pod)["containers"], mesh)
		}, nil},
		"another order": {func(pod map[string]any) {
			list := spec(pod)["initContainers"].([]any)
			list[2], list[3] = list[3], list[2]
		}, []string{`spec.initContainers[3]: Forbidden: init container "fetch" has another place`}},
		"regular containers in another order": {func(pod map[string]any) {
			list := spec(pod)["containers"].([]any)
			list[0], list[1] = list[1], list[0]
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			errs, err := Check(edit(t, live, tc.change))
			require.NoError(t, err)
			require.Len(t, errs, len(tc.errs), "%v", errs)
			for i, want := range tc.errs {
				require.True(t, strings.HasPrefix(errs[i].Error(), want), "%s", errs[i])
			}
		})
	}
}

func TestUpdateOfPodThatWasNotInjected(t *testing.T) {
	old := object(t, "metadata: {annotations: {a: b}}\nspec: {containers: [{name: a}]}")
	result, err := Update(old, old, testOptions)
	require.NoError(t, err)
	require.Zero(t, result)

	annotated := edit(t, old, func(pod map[string]any) {
		meta(pod, "annotations")[api.RulesAnnotation] = "containers: {a: {restartPolicy: Never}}"
	})
	result, err = Update(annotated, old, testOptions)
	require.NoError(t, err)
	require.Empty(t, result.Patch)
	require.Len(t, result.Warnings, 1)
	require.Contains(t, result.Warnings[0], "only when a Pod is created")
}

func TestCheck(t *testing.T) {
	live := created(t, object(t, written))
	for name, tc := range map[string]struct {
		change func(pod map[string]any)
		errs   []string
	}{
		"nothing": {func(map[string]any) {}, nil},
		"image":   {func(pod map[string]any) { container(pod, "containers", 0)["image"] = "x:2" }, nil},
		"policy":  {func(pod map[string]any) { spec(pod)["restartPolicy"] = "Always" }, []string{"spec.restartPolicy: Forbidden: it is Always instead of Never"}},
		"label": {func(pod map[string]any) { delete(meta(pod, "labels"), api.ModeLabel) }, []string{
			`metadata.labels[restartrules.dev/mode]: Forbidden: it is not "emulated"`}},
		"native fields": {func(pod map[string]any) {
			c := container(pod, "containers", 0)
			c["restartPolicy"], c["restartPolicyRules"] = "Never", []any{map[string]any{}}
		}, []string{
			`spec.containers[0].restartPolicy: Forbidden: container "trainer" has a restartPolicy`,
			`spec.containers[0].restartPolicyRules: Forbidden: container "trainer" has restartPolicyRules`}},
		"command": {func(pod map[string]any) { container(pod, "containers", 0)["command"] = []any{"/train"} }, []string{
			`spec.containers[0].command: Forbidden: the command of container "trainer" doesn't begin with the shim /restartrules/shim and its exit table`}},
		"another exit table": {func(pod map[string]any) {
			container(pod, "containers", 0)["command"].([]any)[3] = "--on-exit=0-255:end"
		}, []string{
			`spec.containers[0].command: Forbidden: the command of container "trainer" doesn't begin with the shim /restartrules/shim and its exit table`}},
		"a shim too much": {func(pod map[string]any) {
			container(pod, "containers", 1)["command"] = []any{api.ShimPath, "--", "x"}
		}, []string{
			`spec.containers[1].command: Forbidden: container "plain" runs the shim /restartrules/shim`}},
		"mounts": {func(pod map[string]any) {
			c := container(pod, "containers", 0)
			c["volumeMounts"] = c["volumeMounts"].([]any)[1:]
		}, []string{
			`spec.containers[0].volumeMounts: Forbidden: container "trainer" doesn't mount containers/trainer of volume "restartrules" at /restartrules`}},
		"volume": {func(pod map[string]any) { delete(spec(pod), "volumes") }, []string{`spec.volumes: Forbidden: volume "restartrules" is missing`}},
		"watcher gone": {func(pod map[string]any) { spec(pod)["initContainers"] = spec(pod)["initContainers"].([]any)[1:] }, []string{
			`spec.initContainers[0]: Forbidden: init container "setup" comes before container "restartrules-watcher", which brings its shim`,
			`spec.initContainers: Forbidden: container "restartrules-watcher" is missing`}},
		"watcher no sidecar": {func(pod map[string]any) { delete(container(pod, "initContainers", 0), "restartPolicy") }, []string{
			`spec.initContainers[0].restartPolicy: Forbidden: container "restartrules-watcher" is not a sidecar (restartPolicy Always)`}},
		"another sidecar in front": {func(pod map[string]any) {
			spec(pod)["initContainers"] = prepend(spec(pod)["initContainers"], map[string]any{"name": "mesh", "restartPolicy": "Always"})
		}, nil},
		"another container": {func(pod map[string]any) {
			spec(pod)["containers"] = prepend(spec(pod)["containers"], map[string]any{"name": "agent"})
		}, []string{
			`spec.containers[0]: Forbidden: container "agent" came after the Pod's restartPolicy had been made Never instead of Always`}},
		"container gone": {func(pod map[string]any) { spec(pod)["containers"] = spec(pod)["containers"].([]any)[:1] }, []string{
			`spec.containers: Forbidden: container "plain" is missing`}},
		"watcher without its work": {func(pod map[string]any) {
			watcher := container(pod, "initContainers", 0)
			for _, name := range []string{"command", "lifecycle", "env", "volumeMounts"} {
				delete(watcher, name)
			}
		}, []string{
			`spec.initContainers[0].command: Forbidden: container "restartrules-watcher" has no command`,
			`spec.initContainers[0].lifecycle.postStart: Forbidden: container "restartrules-watcher" has not the hook that installs the shim`,
			`spec.initContainers[0].lifecycle.preStop: Forbidden: container "restartrules-watcher" has not the hook that tells of the Pod's deletion`,
			`spec.initContainers[0].env: Forbidden: container "restartrules-watcher" has not the plan in variable RESTARTRULES_PLAN`,
			`spec.initContainers[0].volumeMounts: Forbidden: container "restartrules-watcher" doesn't mount volume "restartrules" at /restartrules`}},
		"a plan of the watcher's own": {func(pod map[string]any) {
			container(pod, "initContainers", 0)["env"] = []any{map[string]any{"name": "RESTARTRULES_PLAN", "value": "{}"}}
		}, []string{
			`spec.initContainers[0].env: Forbidden: container "restartrules-watcher" has not the plan in variable RESTARTRULES_PLAN`}},
		"plan broken": {func(pod map[string]any) { meta(pod, "annotations")[api.PlanAnnotation] = `{"version":0}` }, []string{
			"metadata.annotations[restartrules.dev/plan]: Invalid value: plan: has version 0, there is none below 1; Restart Rules writes this annotation itself"}},
		"plan of a newer release": {func(pod map[string]any) { meta(pod, "annotations")[api.PlanAnnotation] = `{"version":7}` }, nil},
		"plan of a newer release without an injection": {func(pod map[string]any) {
			meta(pod, "annotations")[api.PlanAnnotation] = `{"version":7}`
			delete(meta(pod, "labels"), api.ModeLabel)
		}, []string{
			"metadata.annotations[restartrules.dev/plan]: Invalid value: plan: has version 7, this release reads up to version 1"}},
		"plan gone": {func(pod map[string]any) { delete(meta(pod, "annotations"), api.PlanAnnotation) }, []string{
			`metadata.annotations[restartrules.dev/plan]: Required value: container "trainer" runs the shim /restartrules/shim, but the Pod has no plan`,
			`metadata.annotations[restartrules.dev/plan]: Required value: container "setup" runs the shim /restartrules/shim, but the Pod has no plan`}},
	} {
		t.Run(name, func(t *testing.T) {
			errs, err := Check(edit(t, live, tc.change))
			require.NoError(t, err)
			require.Len(t, errs, len(tc.errs), "%v", errs)
			for i, want := range tc.errs {
				require.True(t, strings.HasPrefix(errs[i].Error(), want), "%s", errs[i])
			}
		})
	}
	for _, data := range []string{trainer, "metadata: {}\nspec: {}"} {
		errs, err := Check(object(t, data))
		require.NoError(t, err)
		require.Empty(t, errs)
	}
}
