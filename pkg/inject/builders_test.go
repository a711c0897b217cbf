package inject

import (
	"encoding/json"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/validation"
)

var testOptions = Options{Image: "example.com/restartrules:v1", ImagePullPolicy: corev1.PullIfNotPresent, ShareProcessNamespace: true, ReadinessPort: DefaultReadinessPort}

// configured are those of an installation that says all that it can.
var configured = Options{
	Image: "mirror.example.com/restartrules@sha256:1", ImagePullPolicy: corev1.PullAlways, ReadinessPort: 15000,
	PullSecrets: []string{"mirror", "both"},
	Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("20m")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi"), corev1.ResourceEphemeralStorage: resource.MustParse("1Gi")},
	},
	Labels:      map[string]string{"team": "platform", "example.com/injected": "yes"},
	Annotations: map[string]string{"example.com/cost-center": "42"},
	MinBackoff:  30 * time.Second,
	Allowed: validation.Allowed{
		Actions:    []corev1.ContainerRestartRuleAction{"Restart", "RestartAllContainers"},
		Strategies: []validation.Strategy{validation.StrategyInPlace},
	},
}

// apply applies a patch as the API server does.
func apply(t *testing.T, object []byte, ops []Op) []byte {
	t.Helper()
	if len(ops) == 0 {
		return object
	}
	text, err := json.Marshal(ops)
	require.NoError(t, err)
	patch, err := jsonpatch.DecodePatch(text)
	require.NoError(t, err)
	patched, err := patch.Apply(object)
	require.NoError(t, err, "%s", text)
	return patched
}

func object(t *testing.T, text string) []byte {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	return data
}

// edit decodes an object, lets change have it, and encodes it again.
func edit(t *testing.T, data []byte, change func(pod map[string]any)) []byte {
	t.Helper()
	var pod map[string]any
	require.NoError(t, json.Unmarshal(data, &pod))
	change(pod)
	data, err := json.Marshal(pod)
	require.NoError(t, err)
	return data
}

func spec(pod map[string]any) map[string]any { return pod["spec"].(map[string]any) }

func meta(pod map[string]any, field string) map[string]any {
	return pod["metadata"].(map[string]any)[field].(map[string]any)
}

func container(pod map[string]any, list string, index int) map[string]any {
	return spec(pod)[list].([]any)[index].(map[string]any)
}

// created is the Pod after Create, which must succeed.
func created(t *testing.T, data []byte) []byte {
	t.Helper()
	result, err := Create(data, testOptions)
	require.NoError(t, err)
	require.Empty(t, result.Errors)
	return apply(t, data, result.Patch)
}

// typed is the object as the API server understands it.
func typed(t *testing.T, data []byte) *corev1.Pod {
	t.Helper()
	pod := new(corev1.Pod)
	require.NoError(t, json.Unmarshal(data, pod))
	return pod
}

const trainer = `
metadata: {name: p}
spec:
  restartPolicy: Never
  containers:
  - {name: trainer, command: [/train], restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]}
`
