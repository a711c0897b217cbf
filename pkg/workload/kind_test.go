package workload

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseKind(t *testing.T) {
	k, err := ParseKind("batch.example.com/v1beta1/trainings=spec.workers[*].template,spec.replicas.*.template")
	require.NoError(t, err)
	require.Equal(t, Kind{Group: "batch.example.com", Version: "v1beta1", Resource: "trainings",
		Templates: []string{"spec.workers[*].template", "spec.replicas.*.template"}}, k)

	for _, test := range []struct{ text, says string }{
		{"", "expected group/version/resource=path[,path]"},
		{"apps/v1/deployments", "is no workload kind"},
		{"apps/deployments=spec.template", "is no workload kind"},
		{"Apps/v1/deployments=spec.template", `"Apps" is no API group`},
		{"apps/1/deployments=spec.template", `"1" is no version`},
		{"apps/v1/Deployment=spec.template", `"Deployment" is no resource (the plural, in lower case)`},
		{"apps/v1/deployments=", `"" in path "" is no field`},
		{"apps/v1/deployments=spec..template", `"" in path "spec..template" is no field`},
		{"apps/v1/deployments=spec.list[0].template", `"list[0]" in path`},
		{"apps/v1/deployments=" + strings.Repeat("a.", 16) + "a", "has 17 fields"},
		{"apps/v1/deployments=" + strings.Repeat("a,", 16) + "a", "has 17 Pod templates"},
	} {
		_, err := ParseKind(test.text)
		require.ErrorContains(t, err, test.says, test.text)
	}
}

func TestBuiltInKinds(t *testing.T) {
	for _, k := range BuiltIn() {
		parsed, err := ParseKind(k.String())
		require.NoError(t, err)
		require.Equal(t, k, parsed)
	}
	k, ok := KindOf("v1", "PodTemplate")
	require.True(t, ok)
	require.Equal(t, "podtemplates", k.Resource)
	k, ok = KindOf("jobset.x-k8s.io/v1alpha2", "JobSet")
	require.True(t, ok)
	require.Equal(t, "jobsets", k.Resource)
	for _, other := range [][2]string{{"apps/v1beta1", "Deployment"}, {"v1", "Deployment"}, {"/v1", "PodTemplate"}, {"v1", "Pod"}} {
		_, ok = KindOf(other[0], other[1])
		require.False(t, ok, other)
	}
	// What callers do to a kind is their own.
	BuiltIn()[0].Templates[0] = "changed"
	require.Equal(t, "spec.template", BuiltIn()[0].Templates[0])
}

func TestTemplates(t *testing.T) {
	k, err := ParseKind("example.com/v1/trainings=spec.template,spec.workers[*].template,spec.replicas.*.template")
	require.NoError(t, err)
	list, err := Templates([]byte(`{"spec": {
		"template": {"a": 1.0},
		"workers": [{"name": "x", "template": {"b": 2}}, {"name": "without"}, null, {"template": {"c": 3}}],
		"replicas": {"z/~": {"template": {"d": 4}}, "m": {"template": null}}}}`), k)
	require.NoError(t, err)
	var found [][4]string
	for _, template := range list {
		found = append(found, [4]string{template.Path.String(), template.Pointer, template.id, string(template.JSON)})
	}
	require.Equal(t, [][4]string{
		{"spec.template", "/spec/template", "/spec/template", `{"a": 1.0}`},
		{"spec.workers[0].template", "/spec/workers/0/template", "/spec/workers[/x]/template", `{"b": 2}`},
		{"spec.workers[3].template", "/spec/workers/3/template", "/spec/workers[3]/template", `{"c": 3}`},
		{"spec.replicas[z/~].template", "/spec/replicas/z~1~0/template", "/spec/replicas/z~1~0/template", `{"d": 4}`},
	}, found)

	list, err = Templates([]byte(`{}`), k)
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = Templates([]byte(`{"spec": {"workers": {}}}`), k)
	require.EqualError(t, err, "find the Pod templates of trainings at spec.workers[*].template: spec: expected a list: "+
		"json: cannot unmarshal object into Go value of type []json.RawMessage")
	_, err = Templates([]byte(`[]`), k)
	require.ErrorContains(t, err, "the object: expected an object")
}

func FuzzParseKind(f *testing.F) {
	for _, k := range BuiltIn() {
		f.Add(k.String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKind(text)
		if err != nil {
			return
		}
		require.Equal(t, text, k.String())
		list, err := Templates([]byte(`{"spec": {"template": {"a": {}}, "items": [{"a": {}}]}}`), k)
		if err == nil {
			for _, template := range list {
				require.NotEmpty(t, template.Pointer)
			}
		}
	})
}
