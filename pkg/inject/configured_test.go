package inject

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/validation"
)

func configuredCreate(t *testing.T, data []byte, options Options) []byte {
	t.Helper()
	result, err := Create(data, options)
	require.NoError(t, err)
	require.Empty(t, result.Errors)
	return apply(t, data, result.Patch)
}

// TestWhatOthersChangeOfWhatWasAddedStays: a second look adds what is gone, and lets stand what was changed.
func TestWhatOthersChangeOfWhatWasAddedStays(t *testing.T) {
	first := configuredCreate(t, object(t, trainer), configured)
	second := configuredCreate(t, edit(t, first, func(pod map[string]any) {
		meta(pod, "labels")["team"] = "security"
		delete(meta(pod, "annotations"), "example.com/cost-center")
		spec(pod)["imagePullSecrets"] = []any{map[string]any{"name": "both", "future": "kept"}}
	}), configured)
	got := typed(t, second)
	require.Equal(t, map[string]string{"team": "security", "example.com/injected": "yes", api.ModeLabel: api.ModeEmulated}, got.Labels)
	require.Equal(t, "42", got.Annotations["example.com/cost-center"])
	require.Equal(t, []corev1.LocalObjectReference{{Name: "both"}, {Name: "mirror"}}, got.Spec.ImagePullSecrets)
	require.Contains(t, string(second), `"future":"kept"`)
	require.Equal(t, string(second), string(configuredCreate(t, second, configured)))
}

// TestConfigurationMayChange: a Pod that one replica of the webhook has seen may be seen by one with another
// Configuration, and updated under any.
func TestConfigurationMayChange(t *testing.T) {
	for _, options := range [][2]Options{{configured, testOptions}, {testOptions, configured}} {
		first := configuredCreate(t, object(t, trainer), options[0])
		second := configuredCreate(t, first, options[1])
		require.Equal(t, options[1].Image, typed(t, second).Spec.InitContainers[0].Image)
		require.Equal(t, string(second), string(configuredCreate(t, second, options[1])))
		errs, err := Check(second)
		require.NoError(t, err)
		require.Empty(t, errs)

		forbidding := options[1]
		forbidding.Allowed.Actions = []corev1.ContainerRestartRuleAction{}
		result, err := Update(second, second, forbidding)
		require.NoError(t, err)
		require.Empty(t, result.Errors, "what is not allowed any more goes on in Pods that are there")
		require.Empty(t, result.Patch)
	}
}

func TestNotAllowed(t *testing.T) {
	const whole = `
metadata: {annotations: {example.com/other: x}}
spec:
  containers:
  - {name: trainer, command: [/train], restartPolicy: Never, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [42]}}]}
`
	pod := object(t, whole)
	sandboxOnly, restartOnly := testOptions, testOptions
	sandboxOnly.Allowed.Strategies = []validation.Strategy{validation.StrategySandbox}
	restartOnly.Allowed.Actions = []corev1.ContainerRestartRuleAction{"Restart"}

	result, err := Create(pod, sandboxOnly)
	require.NoError(t, err)
	require.Empty(t, result.Patch)
	require.Len(t, result.Errors, 1)
	require.Contains(t, result.Errors[0].Error(), "metadata.annotations[restartrules.dev/strategy]: Forbidden: strategy in-place is not allowed here")
	require.Contains(t, result.Errors[0].Error(), "write restartrules.dev/strategy: sandbox in this annotation")

	bySandbox := edit(t, pod, func(pod map[string]any) { meta(pod, "annotations")[api.StrategyAnnotation] = api.StrategySandbox })
	result, err = Create(bySandbox, sandboxOnly)
	require.NoError(t, err)
	require.NotContains(t, result.Errors.ToAggregate().Error(), "allowed here")

	// In a template the path is the template's. Who uses only what is allowed is not concerned.
	_, errs, err := Template(pod, field.NewPath("spec", "template"), restartOnly)
	require.NoError(t, err)
	require.Len(t, errs, 1)
	require.Contains(t, errs[0].Error(), "spec.template.spec.containers[0].restartPolicyRules[0].action: Forbidden: action RestartAllContainers is not allowed here")
	configuredCreate(t, object(t, trainer), restartOnly)
	configuredCreate(t, object(t, trainer), sandboxOnly)
}

// TestWatcherResourcesConfigured: what is configured never changes the Pod's QoS class.
func TestWatcherResourcesConfigured(t *testing.T) {
	list := func(pairs ...string) corev1.ResourceList {
		l := corev1.ResourceList{}
		for i := 0; i < len(pairs); i += 2 {
			l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
		}
		return l
	}
	bestEffort, both := "{}", "{limits: {cpu: 1, memory: 1Gi}}"
	for name, test := range map[string]struct {
		pod              string // resources of its container
		requests, limits corev1.ResourceList
		want             corev1.ResourceRequirements
	}{
		"BestEffort":                     {bestEffort, list("cpu", "1"), list("memory", "64Mi"), corev1.ResourceRequirements{}},
		"nothing":                        {"{requests: {cpu: 1}}", nil, nil, corev1.ResourceRequirements{Requests: list("cpu", "10m")}},
		"a request":                      {"{requests: {cpu: 1}}", list("cpu", "50m"), nil, corev1.ResourceRequirements{Requests: list("cpu", "50m")}},
		"of what nobody uses":            {"{requests: {cpu: 1}}", list("memory", "24Mi"), nil, corev1.ResourceRequirements{Requests: list("cpu", "10m", "memory", "24Mi")}},
		"a limit":                        {"{requests: {memory: 1Gi}}", nil, list("memory", "64Mi"), corev1.ResourceRequirements{Requests: list("memory", "16Mi"), Limits: list("memory", "64Mi")}},
		"a limit of what nobody uses":    {"{requests: {memory: 1Gi}}", nil, list("cpu", "1"), corev1.ResourceRequirements{Requests: list("memory", "16Mi", "cpu", "10m"), Limits: list("cpu", "1")}},
		"a limit below ours":             {"{requests: {cpu: 1}}", nil, list("cpu", "5m"), corev1.ResourceRequirements{Requests: list("cpu", "5m"), Limits: list("cpu", "5m")}},
		"Guaranteed":                     {both, nil, nil, corev1.ResourceRequirements{Requests: guaranteed, Limits: guaranteed}},
		"Guaranteed, requests":           {both, list("cpu", "10m", "memory", "64Mi"), nil, corev1.ResourceRequirements{Requests: list("cpu", "100m", "memory", "64Mi"), Limits: list("cpu", "100m", "memory", "64Mi")}},
		"Guaranteed, limits":             {both, list("cpu", "10m"), list("cpu", "50m"), corev1.ResourceRequirements{Requests: list("cpu", "50m", "memory", "32Mi"), Limits: list("cpu", "50m", "memory", "32Mi")}},
		"Guaranteed, another":            {both, list("ephemeral-storage", "1Mi"), nil, corev1.ResourceRequirements{Requests: list("cpu", "100m", "memory", "32Mi", "ephemeral-storage", "1Mi"), Limits: guaranteed}},
		"Guaranteed, limits of requests": {both, list("memory", "8Mi"), nil, corev1.ResourceRequirements{Requests: guaranteed, Limits: guaranteed}},
	} {
		t.Run(name, func(t *testing.T) {
			data := object(t, "metadata: {}\nspec: {containers: [{name: a, resources: "+test.pod+"}]}")
			pod, err := manifest.DecodePod(data)
			require.NoError(t, err)
			configured := corev1.ResourceRequirements{Requests: test.requests, Limits: test.limits}
			before := configured.DeepCopy()
			got := watcherResources(&pod.Spec, &configured)
			require.True(t, covers(got, test.want) && covers(test.want, got), "%v", got)
			require.Equal(t, before, &configured, "it is everybody's")

			with := typed(t, data)
			class := qosClass(&with.Spec)
			with.Spec.InitContainers = append(with.Spec.InitContainers, corev1.Container{Resources: got})
			require.Equal(t, class, qosClass(&with.Spec))
		})
	}
}
