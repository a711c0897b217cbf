package check

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"restartrules.dev/release/render"
)

// TestHelmLint is `helm lint --strict`: warnings are errors, too.
func TestHelmLint(t *testing.T) {
	for name, values := range map[string]string{"default": "{}", "everything": variants["everything"]} {
		t.Run(name, func(t *testing.T) {
			linter := lint.RunAll(chartDir, release(t, values).Values, "default", lint.WithKubeVersion(&common.DefaultCapabilities.KubeVersion))
			for _, message := range linter.Messages {
				require.Less(t, message.Severity, support.WarningSev, message.Error())
			}
		})
	}
}

// TestValuesAreDescribed: each default meets the schema, and each value that the schema knows has a default, so it is
// in values.yaml with a comment.
func TestValuesAreDescribed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	require.NoError(t, err)
	var defaults map[string]any
	require.NoError(t, yaml.UnmarshalStrict(text, &defaults))
	text, err = os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(text, &document))
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("values.json", document))
	compiled, err := compiler.Compile("values.json")
	require.NoError(t, err)
	require.NoError(t, compiled.Validate(defaults))
	for name := range document["properties"].(map[string]any) {
		if name != "global" { // Helm's own
			require.Contains(t, defaults, name)
		}
	}
}

func TestValuesRefused(t *testing.T) {
	for name, values := range map[string]string{
		"misspelt":                "replica: 3",
		"misspelt below":          "admission: {failurepolicy: Fail}",
		"wrong type":              "replicas: two",
		"unknown mode":            "certificates: {mode: vault}",
		"no authority":            "certificates: {mode: provided}",
		"authority of nobody":     "certificates: {caBundle: '-----BEGIN CERTIFICATE-----'}",
		"digest":                  "images: {webhook: {digest: latest}}",
		"timeout out of range":    "admission: {timeoutSeconds: 31}",
		"namespace of Kubernetes": "namespace: kube-system",
		"unknown feature":         "nativeFeatures: [RestartRules]",
		"misspelt configuration":  "configuration: {watchers: {}}",
		"mode twice":              "configuration: {mode: auto}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render.Helm(t.Context(), chartDir, release(t, values))
			require.ErrorContains(t, err, "values")
		})
	}
}

// one is the object of the kind, decoded.
func one[T any](t *testing.T, objects []unstructured.Unstructured, kind string) T {
	t.Helper()
	var into []T
	for _, o := range objects {
		if o.GetKind() == kind {
			var decoded T
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &decoded, true))
			into = append(into, decoded)
		}
	}
	require.Len(t, into, 1, kind)
	return into[0]
}

// TestValues: values arrive where they belong.
func TestValues(t *testing.T) {
	objects := helm(t, variants["everything"])
	deployment := one[appsv1.Deployment](t, objects, "Deployment")
	pod := deployment.Spec.Template
	container := pod.Spec.Containers[0]
	require.EqualValues(t, 3, *deployment.Spec.Replicas)
	require.Equal(t, "registry.example.com/team/restartrules/hook@sha256:"+strings.Repeat("0", 64), container.Image)
	require.Equal(t, "registry.example.com/team/restartrules/watch@sha256:"+strings.Repeat("1", 64), container.Env[0].Value)
	require.Subset(t, container.Args, []string{
		"--watcher-image=$(WATCHER_IMAGE)", "--watcher-image-pull-policy=Always", "--port=10250", "--metrics-bind-address=:9090",
		"--health-probe-bind-address=:9091", "--share-process-namespace=false", "--readiness-port=0",
		"--native-features=ContainerRestartRules", "--log-level=debug", "--shutdown-delay=10s",
	})
	for i, argument := range container.Args {
		name, _, _ := strings.Cut(argument, "=")
		for _, other := range container.Args[i+1:] {
			require.False(t, strings.HasPrefix(other, name+"="), "%s is there twice", name)
		}
	}
	ports := map[string]int32{}
	for _, p := range container.Ports {
		ports[p.Name] = p.ContainerPort
	}
	require.Equal(t, map[string]int32{"webhook": 10250, "metrics": 9090, "probes": 9091}, ports)
	require.Equal(t, "registry", pod.Spec.ImagePullSecrets[0].Name)
	require.Equal(t, "system-cluster-critical", pod.Spec.PriorityClassName)
	require.Equal(t, "platform", pod.Labels["team"])
	require.Equal(t, "restartrules", pod.Labels["app.kubernetes.io/name"])
	require.Equal(t, "b", pod.Annotations["example.com/a"])
	require.Equal(t, "1", container.Resources.Requests.Cpu().String())
	require.NotEmpty(t, pod.Spec.NodeSelector)
	require.NotEmpty(t, pod.Spec.Tolerations)
	require.NotNil(t, pod.Spec.Affinity)

	usual := one[admissionregistrationv1.MutatingWebhookConfiguration](t, helm(t, "{}"), "MutatingWebhookConfiguration")
	mutating := one[admissionregistrationv1.MutatingWebhookConfiguration](t, objects, "MutatingWebhookConfiguration")
	for i, w := range mutating.Webhooks {
		require.Equal(t, admissionregistrationv1.Ignore, *w.FailurePolicy)
		require.EqualValues(t, 5, *w.TimeoutSeconds)
		require.Equal(t, "elsewhere", w.ClientConfig.Service.Namespace)
		byOperator := map[string]string{}
		for _, e := range w.NamespaceSelector.MatchExpressions {
			byOperator[e.Key] = string(e.Operator) + " " + strings.Join(e.Values, " ")
		}
		want := map[string]string{"In": "NotIn disabled", "NotIn": "In disabled"}[string(usual.Webhooks[i].NamespaceSelector.MatchExpressions[0].Operator)]
		require.Equal(t, map[string]string{
			"restartrules.dev/inject": want, "kubernetes.io/metadata.name": "NotIn kube-system elsewhere monitoring", "team": "In a b",
		}, byOperator)
	}

	kinds := map[string][]string{}
	for _, o := range objects {
		kinds[o.GetKind()] = append(kinds[o.GetKind()], o.GetName())
	}
	require.Contains(t, kinds, "ServiceMonitor")
	require.NotContains(t, kinds, "Issuer")
	require.Equal(t, []string{"restartrules-webhook"}, kinds["Certificate"])
	require.NotContains(t, kinds, "PriorityClass")
	require.ElementsMatch(t, []string{"restartrules-native", "restartrules-pull-secrets", "restartrules-pull-secrets"}, kinds["RoleBinding"])
	require.Contains(t, container.Args, "--mode=auto")
	require.Contains(t, container.Args, "--registries=/etc/restartrules/registries/registries.yaml")
	registries := one[corev1.ConfigMap](t, named(objects, "restartrules-registries"), "ConfigMap")
	require.Equal(t, []string{"ca.crt", "registries.yaml"}, slices.Sorted(maps.Keys(registries.Data)))
	require.YAMLEq(t, `registries: [{host: registry.example.com, mirrors: [https://mirror.example.com], caFile: /etc/restartrules/registries/ca.crt}]`,
		registries.Data["registries.yaml"])
	require.NotEmpty(t, pod.Annotations["restartrules.dev/registries"])
	require.Contains(t, container.Args, "--config=/etc/restartrules/configuration/configuration.yaml")
	require.NotEmpty(t, pod.Annotations["restartrules.dev/configuration"])

	require.Contains(t, usual.Annotations, "cert-manager.io/inject-ca-from")
	require.Empty(t, one[admissionregistrationv1.MutatingWebhookConfiguration](t, helm(t, "certificates: {caInjection: false}"), "MutatingWebhookConfiguration").Annotations)

	host := one[appsv1.Deployment](t, helm(t, variants["host network"]), "Deployment")
	require.True(t, host.Spec.Template.Spec.HostNetwork)
	require.EqualValues(t, 1, host.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue())
}

// TestFlagsExist: the webhook knows the flags that it is started with in any way to install it.
func TestFlagsExist(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "webhook")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/webhook")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	help, err := exec.CommandContext(t.Context(), binary, "serve", "--help").CombinedOutput()
	require.NoError(t, err)
	for name, objects := range installations(t) {
		deployment := one[appsv1.Deployment](t, objects, "Deployment")
		for _, argument := range deployment.Spec.Template.Spec.Containers[0].Args[1:] {
			flag, _, _ := strings.Cut(argument, "=")
			require.Contains(t, string(help), flag+" ", name)
		}
	}
}
