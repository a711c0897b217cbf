package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/configuration"
	"restartrules.dev/release/render"
)

// named are the objects of that name, or with a hash behind it.
func named(objects []unstructured.Unstructured, name string) (found []unstructured.Unstructured) {
	for _, o := range objects {
		if o.GetName() == name || strings.HasPrefix(o.GetName(), name+"-") {
			found = append(found, o)
		}
	}
	return found
}

// withConfiguration renders manifests/overlays/cert-manager with the file, as docs/configuration.md says.
func withConfiguration(t *testing.T, file string) []unstructured.Unstructured {
	t.Helper()
	manifests := t.TempDir()
	require.NoError(t, os.CopyFS(manifests, os.DirFS(manifestsDir)))
	own := filepath.Join(manifests, "own")
	require.NoError(t, os.Mkdir(own, 0o755))
	for name, text := range map[string]string{
		"configuration.yaml": file,
		"kustomization.yaml": `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../overlays/cert-manager]
components: [../components/configuration]
configMapGenerator:
- {name: restartrules-configuration, namespace: restartrules-system, files: [configuration.yaml]}
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(own, name), []byte(text), 0o600))
	}
	objects, err := render.Kustomize(own)
	require.NoError(t, err)
	return objects
}

const (
	fileHead = "apiVersion: config.restartrules.dev/v1alpha1\nkind: Configuration\n"
	said     = "watcher: {imagePullSecrets: [{name: mirror}]}\nrules: {allowedActions: [Restart]}\n"
)

// TestConfigurationIsMounted: kustomize and Helm bring the same file to the webhook, and a change of it rolls the webhook
// out.
func TestConfigurationIsMounted(t *testing.T) {
	indented := "configuration:\n  " + strings.ReplaceAll(strings.TrimSpace(said), "\n", "\n  ")
	ways := map[string][2][]unstructured.Unstructured{
		"kustomize": {withConfiguration(t, fileHead+said), withConfiguration(t, fileHead+said+"mode: observe")},
		"helm":      {helm(t, plain+indented), helm(t, plain+indented+"\n  pods: {labels: {a: b}}")},
	}
	for way, renderings := range ways {
		file := one[corev1.ConfigMap](t, named(renderings[0], "restartrules-configuration"), "ConfigMap")
		require.Equal(t, "restartrules-system", file.Namespace, way)
		c, err := configuration.Parse([]byte(file.Data["configuration.yaml"]))
		require.NoError(t, err, way)
		require.Equal(t, []string{"mirror"}, c.Options()("default").PullSecrets, way)

		var specs []appsv1.DeploymentSpec
		for _, objects := range renderings {
			specs = append(specs, one[appsv1.Deployment](t, objects, "Deployment").Spec)
		}
		require.NotEqual(t, specs[0].Template, specs[1].Template, "%s: the change rolls out", way)
		pod := specs[0].Template.Spec
		require.Contains(t, pod.Containers[0].Args, "--config=/etc/restartrules/configuration/configuration.yaml")
		mounted := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.ConfigMap != nil && v.ConfigMap.Name == file.Name })
		require.GreaterOrEqual(t, mounted, 0, "%s: %v", way, pod.Volumes)
	}

	// But for the ConfigMap and what makes a change roll out they are the same.
	require.Equal(t, plainly(t, ways["kustomize"][0]), plainly(t, ways["helm"][0]))
}

// plainly are the objects as text, without the ConfigMap, its name, and the annotation with its sum.
func plainly(t *testing.T, objects []unstructured.Unstructured) map[string]string {
	t.Helper()
	texts := map[string]string{}
	file := named(objects, "restartrules-configuration")[0].GetName()
	for key, object := range byKey(t, objects) {
		if strings.HasPrefix(key, "ConfigMap ") {
			continue
		}
		unstructured.RemoveNestedField(object, "spec", "template", "metadata", "annotations")
		text, err := yaml.Marshal(object)
		require.NoError(t, err)
		texts[key] = strings.ReplaceAll(string(text), file, "restartrules-configuration")
	}
	return texts
}
