package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/inject"
)

// restricted returns what Kubernetes' own check says against the Pod under the Pod Security Standard "restricted", and
// whether that is nothing.
func restricted(t *testing.T, pod corev1.PodTemplateSpec) (bool, string) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	return result.Allowed, result.ForbiddenDetail()
}

// TestInstalledPodsAreRestricted: what we install runs where the namespace enforces "restricted", and the namespace of
// ours does. Only on the host's network that can't be.
func TestInstalledPodsAreRestricted(t *testing.T) {
	for name, objects := range installations(t) {
		t.Run(name, func(t *testing.T) {
			deployments := 0
			for _, o := range objects {
				if o.GetKind() == "Namespace" {
					want := "restricted"
					if strings.Contains(name, "host network") {
						want = "privileged"
					}
					require.Equal(t, want, o.GetLabels()["pod-security.kubernetes.io/enforce"])
				}
				template, there := podTemplate(t, o)
				if !there {
					continue
				}
				deployments++
				allowed, detail := restricted(t, template)
				if strings.Contains(name, "host network") {
					require.Contains(t, detail, "hostNetwork=true")
					continue
				}
				require.True(t, allowed, "%s: %s", o.GetName(), detail)
			}
			require.NotZero(t, deployments)
		})
	}
}

// podTemplate is that of an object of a built-in workload kind.
func podTemplate(t *testing.T, o unstructured.Unstructured) (corev1.PodTemplateSpec, bool) {
	t.Helper()
	var template corev1.PodTemplateSpec
	content, there, err := unstructured.NestedMap(o.Object, "spec", "template")
	require.NoError(t, err)
	if !there {
		return template, false
	}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(content, &template, true))
	return template, true
}

// TestInjectedPodsStayRestricted: a Pod that may run under "restricted" may do so with what is injected.
func TestInjectedPodsStayRestricted(t *testing.T) {
	files, err := filepath.Glob("../../pkg/inject/testdata/*.yaml")
	require.NoError(t, err)
	injected := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.yaml") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var content map[string]any
			require.NoError(t, yaml.Unmarshal(text, &content))
			harden(content)
			pod, err := json.Marshal(content)
			require.NoError(t, err)
			if allowed, detail := restrictedPod(t, pod); !allowed {
				t.Skipf("the Pod itself is not restricted: %s", detail)
			}
			result, err := inject.Create(pod, inject.Options{
				Image: "example.com/watcher:v1", ImagePullPolicy: corev1.PullIfNotPresent,
				ShareProcessNamespace: true, ReadinessPort: inject.DefaultReadinessPort,
			})
			require.NoError(t, err)
			if len(result.Patch) == 0 {
				return // refused, or nothing to do
			}
			operations, err := json.Marshal(result.Patch)
			require.NoError(t, err)
			patch, err := jsonpatch.DecodePatch(operations)
			require.NoError(t, err)
			patched, err := patch.Apply(pod)
			require.NoError(t, err)
			allowed, detail := restrictedPod(t, patched)
			require.True(t, allowed, detail)
			injected++
		})
	}
	require.Greater(t, injected, 10, "hardly any Pod was injected")
}

func restrictedPod(t *testing.T, data []byte) (bool, string) {
	t.Helper()
	var pod corev1.Pod
	require.NoError(t, json.Unmarshal(data, &pod))
	return restricted(t, corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec})
}

// harden gives the Pod and its containers what "restricted" wants, where they do not say otherwise.
func harden(pod map[string]any) {
	spec := pod["spec"].(map[string]any)
	merge(spec, map[string]any{"runAsNonRoot": true, "seccompProfile": map[string]any{"type": "RuntimeDefault"}})
	for _, list := range []string{"initContainers", "containers"} {
		containers, _ := spec[list].([]any)
		for _, c := range containers {
			merge(c.(map[string]any), map[string]any{
				"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}},
			})
		}
	}
}

// merge adds to the securityContext of owner what it lacks.
func merge(owner, fields map[string]any) {
	context, there := owner["securityContext"].(map[string]any)
	if !there {
		context = map[string]any{}
		owner["securityContext"] = context
	}
	for key, value := range fields {
		if _, there := context[key]; !there {
			context[key] = value
		}
	}
}
