package check

import (
	"cmp"
	"encoding/base64"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"restartrules.dev/certs/selfsigned"
	"restartrules.dev/release/chart"
	"restartrules.dev/release/render"
)

const (
	manifestsDir = "../../manifests"
	chartDir     = "../../charts/restartrules"
)

// helm renders the chart with the values, a YAML document.
func helm(t *testing.T, values string) []unstructured.Unstructured {
	t.Helper()
	objects, err := render.Helm(t.Context(), chartDir, release(t, values))
	require.NoError(t, err)
	return objects
}

func release(t *testing.T, values string) render.Release {
	t.Helper()
	r := render.Release{Namespace: "default", Values: map[string]any{}}
	require.NoError(t, yaml.UnmarshalStrict([]byte(values), &r.Values))
	return r
}

// overlay renders a copy of manifests/overlays/NAME, with components of manifests/components.
func overlay(t *testing.T, name string, components ...string) []unstructured.Unstructured {
	t.Helper()
	manifests := t.TempDir()
	require.NoError(t, os.CopyFS(manifests, os.DirFS(manifestsDir)))
	directory := filepath.Join(manifests, "overlays", name)
	if name == "self-signed" {
		_, err := selfsigned.Ensure(directory, []string{"localhost"}, time.Now())
		require.NoError(t, err)
	}
	if len(components) > 0 {
		k := render.Kustomization{Resources: []string{"../overlays/" + name}}
		for _, c := range components {
			k.Components = append(k.Components, "../components/"+c)
		}
		text, err := k.YAML()
		require.NoError(t, err)
		directory = filepath.Join(manifests, "own")
		require.NoError(t, os.Mkdir(directory, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(directory, "kustomization.yaml"), text, 0o644))
	}
	objects, err := render.Kustomize(directory)
	require.NoError(t, err)
	return objects
}

// plain are values that leave away what high availability adds.
const plain = `
replicas: 1
minReadySeconds: 0
podDisruptionBudget: {enabled: false}
networkPolicy: {enabled: false}
priorityClass: {create: false}
topologySpreadConstraints: []
`

// withPolicies is the variant that needs Kubernetes 1.30.
const withPolicies = "policies"

// variants are values that change as much as can be changed, each in another direction.
var variants = map[string]string{
	"everything": `
namespace: elsewhere
images:
  registry: registry.example.com/team/restartrules
  tag: v1.2.3
  pullPolicy: Always
  pullSecrets: [{name: registry}]
  webhook: {name: hook, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
  watcher: {name: watch, digest: "sha256:1111111111111111111111111111111111111111111111111111111111111111"}
certificates: {issuerRef: {kind: ClusterIssuer, name: ours}}
replicas: 3
networkPolicy: {enabled: true, egress: true}
priorityClassName: system-cluster-critical
admission:
  failurePolicy: Ignore
  timeoutSeconds: 5
  namespaces:
    default: enabled
    exclude: [monitoring]
    matchExpressions: [{key: team, operator: In, values: [a, b]}]
shareProcessNamespace: false
readinessPort: 0
nativeFeatures: [ContainerRestartRules]
resources: {requests: {cpu: 1, memory: 128Mi}}
flags: {log-level: debug, shutdown-delay: 10s}
podLabels: {team: platform}
podAnnotations: {example.com/a: b}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: control-plane, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
ports: {webhook: 10250, metrics: 9090, probes: 9091}
serviceAccount: {annotations: {example.com/role: webhook}}
metrics:
  serviceMonitor: {enabled: true, labels: {release: prometheus}}
  prometheusRule: {enabled: true, labels: {release: prometheus}}
  dashboard: {enabled: true, labels: {grafana_folder: platform}}
reports: {enabled: true}
pullSecrets: {enabled: true, namespaces: [team-a, team-b]}
registries:
  entries: [{host: registry.example.com, mirrors: [https://mirror.example.com], caFile: /etc/restartrules/registries/ca.crt}]
  files: {ca.crt: "-----BEGIN CERTIFICATE-----"}
configuration:
  watcher: {imagePullSecrets: [{name: mirror}], resources: {limits: {memory: 64Mi}}}
  rules: {allowedActions: [Restart], minBackoff: 10s}
  namespaces: [{names: [training], rules: {minBackoff: 0s}}]
mode: auto
`,
	"self-managed":      "certificates: {mode: self-managed}\nreports: {enabled: true}",
	withPolicies:        "certificates: {mode: self-managed}\npolicies: {hints: true, guard: true}",
	"host network":      "hostNetwork: true\nports: {webhook: 9543}",
	"its own namespace": "namespace: default1",
}

// installations are all the ways to install: overlays, components and values of the chart.
func installations(t *testing.T) map[string][]unstructured.Unstructured {
	t.Helper()
	all := map[string][]unstructured.Unstructured{"chart": helm(t, "{}"), "chart, plain": helm(t, plain)}
	overlays, err := os.ReadDir(filepath.Join(manifestsDir, "overlays"))
	require.NoError(t, err)
	for _, o := range overlays {
		all["overlay "+o.Name()] = overlay(t, o.Name())
	}
	for name, values := range variants {
		all["chart, "+name] = helm(t, values)
	}
	return all
}

// TestChartIsUpToDate: the chart has the objects of the manifests as they are now. `make chart` brings it up to date.
func TestChartIsUpToDate(t *testing.T) {
	manifests := t.TempDir()
	require.NoError(t, os.CopyFS(manifests, os.DirFS(manifestsDir)))
	want, err := chart.Files(manifests)
	require.NoError(t, err)
	got, err := chart.Read(chartDir)
	require.NoError(t, err)
	texts := func(files map[string][]byte) map[string]string {
		all := map[string]string{}
		for path, content := range files {
			all[path] = string(content)
		}
		return all
	}
	require.Equal(t, texts(want), texts(got), "run `make chart`")
}

// TestSameObjects: kustomize and Helm install the same, object by object.
func TestSameObjects(t *testing.T) {
	const reports, pullSecrets, selfManaged = "reports: {enabled: true}\n", "pullSecrets: {enabled: true}\n", "certificates: {mode: self-managed}\n"
	for _, test := range []struct {
		overlay    string
		components []string
		values     string
	}{
		{overlay: "cert-manager", values: plain},
		{overlay: "self-managed", values: plain + selfManaged},
		{overlay: "ha", values: "{}"},
		{overlay: "cert-manager", components: []string{"reports"}, values: plain + reports},
		{overlay: "cert-manager", components: []string{"pull-secrets"}, values: plain + pullSecrets},
		{overlay: "cert-manager", components: []string{"native"}, values: plain + "mode: auto\n"},
		{overlay: "cert-manager", components: []string{"hints", "guard"}, values: plain + "policies: {hints: true, guard: true}\n"},
		{overlay: "cert-manager", components: []string{"monitoring"},
			values: plain + "metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}\n"},
		{overlay: "cert-manager", components: []string{"host-network"}, values: plain + "hostNetwork: true\n"},
		{overlay: "ha", components: []string{"host-network", "egress"}, values: "hostNetwork: true\nnetworkPolicy: {egress: true}\n"},
		{overlay: "self-managed", components: []string{"reports", "pull-secrets"}, values: plain + selfManaged + reports + pullSecrets},
		{overlay: "self-managed", components: []string{"high-availability", "reports", "pull-secrets"}, values: selfManaged + reports + pullSecrets},
	} {
		t.Run(strings.Join(append([]string{test.overlay}, test.components...), " "), func(t *testing.T) {
			requireSame(t, byKey(t, overlay(t, test.overlay, test.components...)), byKey(t, helm(t, test.values)))
		})
	}
	t.Run("self-signed", func(t *testing.T) {
		want := byKey(t, overlay(t, "self-signed"))
		secret := "Secret restartrules-system/restartrules-webhook-tls"
		require.Contains(t, want, secret)
		encoded, _, err := unstructured.NestedString(want[secret], "data", "ca.crt")
		require.NoError(t, err)
		ca, err := base64.StdEncoding.DecodeString(encoded)
		require.NoError(t, err)
		delete(want, secret) // whoever provides it, the chart does not
		values, err := yaml.Marshal(map[string]any{"certificates": map[string]any{"mode": "provided", "caBundle": string(ca)}})
		require.NoError(t, err)
		for _, o := range want {
			oneLine(t, o)
		}
		requireSame(t, want, byKey(t, helm(t, plain+string(values))))
	})
}

// oneLine removes the line ends that kustomize leaves in caBundle, which is the same without.
func oneLine(t *testing.T, configuration map[string]any) {
	t.Helper()
	webhooks, _, err := unstructured.NestedSlice(configuration, "webhooks")
	require.NoError(t, err)
	for _, w := range webhooks {
		client := w.(map[string]any)["clientConfig"].(map[string]any)
		client["caBundle"] = strings.ReplaceAll(client["caBundle"].(string), "\n", "")
	}
	if webhooks != nil {
		configuration["webhooks"] = webhooks
	}
}

func requireSame(t *testing.T, want, got map[string]map[string]any) {
	t.Helper()
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	for key := range want {
		require.Equal(t, want[key], got[key], key)
	}
}

// byKey has the environment of containers in the order of names: kustomize puts what a patch adds first, the chart last.
func byKey(t *testing.T, objects []unstructured.Unstructured) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for _, o := range objects {
		require.NotContains(t, all, render.Key(o), "twice")
		all[render.Key(o)] = o.Object
		if o.GetKind() == "Deployment" {
			containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
			require.NoError(t, err)
			env := containers[0].(map[string]any)["env"].([]any)
			slices.SortFunc(env, func(a, b any) int {
				return cmp.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
			})
			require.NoError(t, unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"))
		}
	}
	return all
}

// TestOtherNamespace: nothing of the usual namespace's name is left, and in its own namespace a release makes none.
func TestOtherNamespace(t *testing.T) {
	for _, o := range helm(t, "namespace: elsewhere") {
		text, err := yaml.Marshal(o.Object)
		require.NoError(t, err)
		require.NotContains(t, string(text), "restartrules-system")
		require.Contains(t, []string{"", "elsewhere"}, o.GetNamespace())
	}
	r := release(t, "{}")
	require.Contains(t, keysOf(t, r), "Namespace /restartrules-system")
	r.Namespace = "restartrules-system"
	require.NotContains(t, keysOf(t, r), "Namespace /restartrules-system")
}

func keysOf(t *testing.T, r render.Release) []string {
	t.Helper()
	objects, err := render.Helm(t.Context(), chartDir, r)
	require.NoError(t, err)
	return slices.Sorted(maps.Keys(byKey(t, objects)))
}
