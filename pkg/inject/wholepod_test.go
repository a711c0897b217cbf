package inject

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
)

func sample(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".yaml")
	require.NoError(t, err)
	data, err := yaml.YAMLToJSON(text)
	require.NoError(t, err)
	return data
}

func planOf(t *testing.T, data []byte) *plan.Plan {
	t.Helper()
	p, err := plan.Decode(typed(t, data).Annotations[api.PlanAnnotation])
	require.NoError(t, err)
	return p
}

func agrees(t *testing.T, data []byte) {
	t.Helper()
	errs, err := Check(data)
	require.NoError(t, err)
	require.Empty(t, errs)
	require.Equal(t, string(data), string(created(t, data)))
}

func TestTwinIsTheInitContainer(t *testing.T) {
	data := edit(t, sample(t, "restart-all"), func(pod map[string]any) {
		for field, value := range map[string]any{
			"envFrom": []any{map[string]any{"configMapRef": map[string]any{"name": "c"}}}, "workingDir": "/w", "securityContext": map[string]any{"future": 1.0},
			"volumeDevices": []any{map[string]any{"name": "d", "devicePath": "/dev/d"}}, "terminationMessagePath": "/log", "imagePullPolicy": "Always",
			"ports": []any{map[string]any{"containerPort": 80.0}}, "tty": true, "stdin": true, "resizePolicy": []any{}, "lifecycle": map[string]any{},
		} {
			container(pod, "initContainers", 0)[field] = value
		}
	})
	var pod map[string]any
	require.NoError(t, json.Unmarshal(created(t, data), &pod))
	init, twin := container(pod, "initContainers", 1), container(pod, "containers", 2)
	require.Equal(t, []any{"/restartrules/shim", "run", "--container=setup-replay", "--pod=twin", "--on-exit=0-255:end", "--termination-message=/log", "--", "/setup"}, twin["command"])
	require.Equal(t, init["volumeMounts"].([]any)[0], twin["volumeMounts"].([]any)[0])
	require.Len(t, twin["volumeMounts"], 3)
	for _, field := range []string{"command", "name", "volumeMounts", "ports", "tty", "stdin", "resizePolicy", "lifecycle"} {
		delete(init, field)
		delete(twin, field)
	}
	require.Equal(t, init, twin)
	require.Contains(t, twin, "futureField")
}

func TestTwinHasWhatDependsOnTheName(t *testing.T) {
	const appArmor = "container.apparmor.security.beta.kubernetes.io/"
	data := edit(t, sample(t, "restart-all"), func(pod map[string]any) {
		pod["metadata"].(map[string]any)["annotations"] = map[string]any{appArmor + "setup": "localhost/strict"}
		ref := func(more string) map[string]any {
			r := map[string]any{"resource": "limits.cpu", "future": 1.0}
			if more != "" {
				r["containerName"] = more
			}
			return map[string]any{"name": "CPU", "valueFrom": map[string]any{"resourceFieldRef": r}}
		}
		container(pod, "initContainers", 0)["env"] = []any{map[string]any{"name": "A"}, ref(""), ref("trainer"), map[string]any{"name": "B", "valueFrom": map[string]any{"fieldRef": map[string]any{}}}}
	})
	got := created(t, data)
	agrees(t, got)
	require.Equal(t, "localhost/strict", typed(t, got).Annotations[appArmor+"setup-replay"])
	env := typed(t, got).Spec.Containers[2].Env
	require.Equal(t, "setup", env[1].ValueFrom.ResourceFieldRef.ContainerName)
	require.Equal(t, "trainer", env[2].ValueFrom.ResourceFieldRef.ContainerName)
	require.Contains(t, string(got), `{"containerName":"setup","future":1,"resource":"limits.cpu"}`)
	require.Empty(t, typed(t, got).Spec.InitContainers[1].Env[1].ValueFrom.ResourceFieldRef.ContainerName)
}

func TestReinvocationOfWholePodAfterOthersHaveAdded(t *testing.T) {
	first := created(t, sample(t, "restart-all"))
	agrees(t, first)
	// A mesh comes with an init container and a sidecar, rewrites all images, and something adds to every container.
	changed := edit(t, first, func(pod map[string]any) {
		s := spec(pod)
		for _, list := range []string{"containers", "initContainers"} {
			for i := range s[list].([]any) {
				c := container(pod, list, i)
				c["image"] = "mirror/" + c["image"].(string)
				mounts, _ := c["volumeMounts"].([]any)
				c["volumeMounts"] = append([]any{map[string]any{"name": "token", "mountPath": "/token"}}, mounts...)
				env, _ := c["env"].([]any)
				c["env"] = append([]any{map[string]any{"name": "MESH", "value": "on"}}, env...)
			}
		}
		s["initContainers"] = prepend(s["initContainers"], map[string]any{"name": "mesh-init", "image": "mesh", "command": []any{"/mesh-init"}})
		s["containers"] = append(s["containers"].([]any), map[string]any{"name": "mesh", "image": "mesh", "command": []any{"/mesh"}, "futureField": "kept"})
	})
	second := created(t, changed)
	agrees(t, second)
	got := typed(t, second)
	require.Equal(t, []string{"mesh-init", api.WatcherContainer, "setup"}, names(got.Spec.InitContainers))
	require.Equal(t, []string{"trainer", "exporter", "setup-replay", "mesh", "mesh-init-replay"}, names(got.Spec.Containers))
	require.Equal(t, "mirror/example.com/restartrules:v1", got.Spec.InitContainers[1].Image)
	require.Equal(t, "mirror/example.com/setup:1", got.Spec.Containers[2].Image)
	require.Contains(t, got.Spec.Containers[3].Command, "--pod=member")
	require.Contains(t, string(second), `"futureField":"kept"`)
	require.Equal(t, []string{"trainer", "exporter", "mesh", "mesh-init-replay", "setup-replay"}, planOf(t, second).Wrapped())
	require.Equal(t, []string{"trainer", "exporter", "setup-replay"}, planOf(t, first).Wrapped())
}

func TestReinvocationReplacesTwinsThatDiffer(t *testing.T) {
	first := created(t, sample(t, "restart-all"))
	for name, change := range map[string]func(pod map[string]any){
		"image":   func(pod map[string]any) { container(pod, "containers", 2)["image"] = "other" },
		"command": func(pod map[string]any) { container(pod, "containers", 2)["command"] = []any{"/setup"} },
		"gone": func(pod map[string]any) {
			spec(pod)["containers"] = spec(pod)["containers"].([]any)[:2]
		},
	} {
		t.Run(name, func(t *testing.T) {
			changed := edit(t, first, change)
			if name != "image" { // an image is none of our business
				errs, err := Check(changed)
				require.NoError(t, err)
				require.NotEmpty(t, errs)
			}
			require.JSONEq(t, string(first), string(created(t, changed)))
		})
	}
}

func TestReinvocationMakesSidecarsOfTwins(t *testing.T) {
	first := created(t, sample(t, "restart-all"))
	second := created(t, edit(t, first, func(pod map[string]any) {
		spec(pod)["initContainers"] = append(spec(pod)["initContainers"].([]any), map[string]any{
			"name": "agent", "command": []any{"/agent"}, "restartPolicy": "Always",
			"restartPolicyRules": []any{map[string]any{"action": "RestartAllContainers", "exitCodes": map[string]any{"operator": "In", "values": []any{1}}}}})
	}))
	agrees(t, second)
	got := typed(t, second)
	require.Equal(t, []string{api.WatcherContainer, "setup-replay", "setup", "agent"}, names(got.Spec.InitContainers))
	require.Equal(t, []string{"trainer", "exporter"}, names(got.Spec.Containers))

	third := created(t, edit(t, second, func(pod map[string]any) {
		list := spec(pod)["initContainers"].([]any)
		spec(pod)["initContainers"] = []any{list[2], list[1], list[0], list[3]} // the order matters
	}))
	require.Equal(t, []string{api.WatcherContainer, "setup-replay", "setup", "agent"}, names(typed(t, third).Spec.InitContainers))
}

func TestReinvocationTakesTwinsBack(t *testing.T) {
	data := edit(t, sample(t, "restart-all"), func(pod map[string]any) {
		c := container(pod, "containers", 0)
		delete(c, "restartPolicy")
		delete(c, "restartPolicyRules")
		pod["metadata"].(map[string]any)["annotations"] = map[string]any{
			api.RulesAnnotation: "containers: {trainer: {restartPolicy: Never, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [88]}}]}}"}
	})
	first := created(t, data)
	second := created(t, edit(t, first, func(pod map[string]any) {
		meta(pod, "annotations")[api.RulesAnnotation] = "containers: {trainer: {restartPolicy: Never}}"
	}))
	want, got := typed(t, data).Spec, typed(t, second).Spec
	require.True(t, equality.Semantic.DeepEqual(want.Containers, got.Containers))
	require.True(t, equality.Semantic.DeepEqual(want.InitContainers, got.InitContainers))
	require.Equal(t, want.Volumes, got.Volumes)
}

func TestTwinNames(t *testing.T) {
	require.Equal(t, "setup-replay", twinName("setup"))
	long := twinName(strings.Repeat("a", 63))
	require.Len(t, long, 63)
	require.NotEqual(t, long, twinName(strings.Repeat("a", 62)+"b"))

	data := edit(t, sample(t, "restart-all"), func(pod map[string]any) { container(pod, "containers", 1)["name"] = "setup-replay" })
	result, err := Create(data, testOptions)
	require.NoError(t, err)
	require.Len(t, result.Errors, 1)
	require.ErrorContains(t, result.Errors[0], `Restart Rules adds a container named "setup-replay" to this Pod: give yours another name`)
}

func TestSurviveDoesNotGoWithWholePods(t *testing.T) {
	data := edit(t, sample(t, "restart-all"), func(pod map[string]any) {
		pod["metadata"].(map[string]any)["annotations"] = map[string]any{api.PreferAnnotation: api.PreferSurvive}
	})
	result, err := Create(data, testOptions)
	require.NoError(t, err)
	require.Len(t, result.Errors, 1)
	require.Equal(t, "metadata.annotations[restartrules.dev/prefer]", result.Errors[0].Field)
}

func TestReadinessPort(t *testing.T) {
	for name, change := range map[string]func(pod map[string]any){
		"hostNetwork": func(pod map[string]any) { spec(pod)["hostNetwork"] = true },
		"taken": func(pod map[string]any) {
			container(pod, "containers", 0)["ports"] = []any{map[string]any{"containerPort": DefaultReadinessPort}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := created(t, edit(t, object(t, trainer), change))
			require.Nil(t, typed(t, got).Spec.InitContainers[0].ReadinessProbe)
			require.Zero(t, planOf(t, got).ReadinessPort)
		})
	}
	require.EqualValues(t, DefaultReadinessPort, planOf(t, created(t, object(t, trainer))).ReadinessPort)
}
