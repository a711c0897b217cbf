package check

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// kubernetesVersions are the oldest that we promise, and those that the end-to-end tests run.
var kubernetesVersions = []string{"v1.29.6", "v1.33.13", "v1.34.4", "v1.35.4", "v1.36.3"}

// crds are the files with the custom resources that we install, by module.
var crds = map[string][]string{
	"github.com/cert-manager/cert-manager@v1.21.2": {"deploy/crds/cert-manager.io_*.yaml"},
	"github.com/prometheus-operator/prometheus-operator@v0.85.0": {
		"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
		"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
	},
}

// schemas are those of one version of Kubernetes and of crds. Fields that they don't have are errors.
type schemas struct {
	kinds     map[schema.GroupVersionKind]*jsonschema.Schema
	compiling map[schema.GroupVersionKind]string
	compiler  *jsonschema.Compiler
}

// moduleDir is where Go has the module's files. It fetches them if it must.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	command.Dir = t.TempDir() // of no module: go.mod has nothing to say here
	out, err := command.Output()
	require.NoError(t, err, "%s", out)
	var info struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &info))
	require.NotEmpty(t, info.Dir)
	return info.Dir
}

// loadSchemas reads what the version of Kubernetes publishes.
func loadSchemas(t *testing.T, version string) *schemas {
	t.Helper()
	s := &schemas{
		kinds: map[schema.GroupVersionKind]*jsonschema.Schema{}, compiling: map[schema.GroupVersionKind]string{},
		compiler: jsonschema.NewCompiler(),
	}
	text, err := os.ReadFile(filepath.Join(moduleDir(t, "k8s.io/kubernetes@"+version), "api", "openapi-spec", "swagger.json"))
	require.NoError(t, err)
	var swagger struct {
		Definitions map[string]any `json:"definitions"`
	}
	require.NoError(t, json.Unmarshal(text, &swagger))
	for name, definition := range swagger.Definitions {
		s.addKinds(name, definition.(map[string]any))
		swagger.Definitions[name] = strict(definition)
	}
	// Their type in the document is string; API servers take numbers, too.
	for _, name := range []string{"io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity"} {
		require.Contains(t, swagger.Definitions, name)
		swagger.Definitions[name] = map[string]any{"type": []any{"string", "number"}}
	}
	require.NoError(t, s.compiler.AddResource("kubernetes.json", map[string]any{"definitions": swagger.Definitions}))

	for module, patterns := range crds {
		for _, pattern := range patterns {
			files, err := filepath.Glob(filepath.Join(moduleDir(t, module), pattern))
			require.NoError(t, err)
			require.NotEmpty(t, files, module)
			for _, file := range files {
				s.addCRD(t, file)
			}
		}
	}
	return s
}

// addKinds notes for which kinds the definition is.
func (s *schemas) addKinds(name string, definition map[string]any) {
	kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
	for _, kind := range kinds {
		k := kind.(map[string]any)
		gvk := schema.GroupVersionKind{Group: k["group"].(string), Version: k["version"].(string), Kind: k["kind"].(string)}
		s.compiling[gvk] = "kubernetes.json#/definitions/" + name
	}
}

func (s *schemas) addCRD(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var crd apiextensionsv1.CustomResourceDefinition
	require.NoError(t, yaml.Unmarshal(text, &crd))
	for _, version := range crd.Spec.Versions {
		data, err := json.Marshal(version.Schema.OpenAPIV3Schema)
		require.NoError(t, err)
		var document map[string]any
		require.NoError(t, json.Unmarshal(data, &document))
		document = strict(document).(map[string]any)
		document["properties"].(map[string]any)["metadata"] = map[string]any{"type": "object"}
		gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
		url := fmt.Sprintf("%s-%s-%s.json", gvk.Group, gvk.Version, gvk.Kind)
		require.NoError(t, s.compiler.AddResource(url, document))
		s.compiling[gvk] = url
	}
}

// strict refuses fields that an object's schema doesn't name.
func strict(node any) any {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			n[key] = strict(value)
		}
		_, properties := n["properties"].(map[string]any)
		if n["x-kubernetes-int-or-string"] == true {
			return map[string]any{"type": []any{"string", "number"}}
		}
		if properties && n["additionalProperties"] == nil && n["x-kubernetes-preserve-unknown-fields"] != true {
			n["additionalProperties"] = false
		}
	case []any:
		for i, value := range n {
			n[i] = strict(value)
		}
	}
	return node
}

// validate returns what is wrong with the object.
func (s *schemas) validate(o unstructured.Unstructured) error {
	gvk := o.GroupVersionKind()
	if s.kinds[gvk] == nil {
		url, there := s.compiling[gvk]
		if !there {
			return fmt.Errorf("%s %s: there is no such kind", gvk, o.GetName())
		}
		compiled, err := s.compiler.Compile(url)
		if err != nil {
			return err
		}
		s.kinds[gvk] = compiled
	}
	if err := s.kinds[gvk].Validate(o.Object); err != nil {
		return fmt.Errorf("%s %s: %w", gvk.Kind, o.GetName(), err)
	}
	return nil
}

// TestSchemas: API servers of all versions know all kinds and all fields of what is installed in any way.
func TestSchemas(t *testing.T) {
	everything := installations(t)
	for _, version := range kubernetesVersions {
		t.Run(version, func(t *testing.T) {
			s := loadSchemas(t, version)
			for name, objects := range everything {
				if strings.HasPrefix(version, "v1.29.") && name == "chart, "+withPolicies {
					continue
				}
				for _, o := range objects {
					require.NoError(t, s.validate(o), name)
				}
			}
		})
	}
}

// TestSchemasRefuse: what is misspelt or of a wrong type is found.
func TestSchemasRefuse(t *testing.T) {
	s := loadSchemas(t, kubernetesVersions[len(kubernetesVersions)-1])
	for name, text := range map[string]string{
		"a field":        `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {replica: 1, selector: {}, template: {}}}`,
		"a nested field": `{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{prot: 443, port: 443}]}}`,
		"a type":         `{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{port: "443"}]}}`,
		"a kind":         `{apiVersion: apps/v2, kind: Deployment, metadata: {name: x}}`,
		"of a CRD":       `{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: x}, spec: {secretname: x, issuerRef: {name: y}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, s.validate(object(t, text)))
		})
	}
	require.NoError(t, s.validate(object(t, `{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{port: 443, targetPort: x}]}}`)))
}

func object(t *testing.T, text string) unstructured.Unstructured {
	t.Helper()
	var o unstructured.Unstructured
	require.NoError(t, yaml.Unmarshal([]byte(text), &o.Object))
	return o
}
