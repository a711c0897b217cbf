package workload

import (
	"encoding/json"
	"maps"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
)

const (
	rules42  = `[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]`
	rules43  = `[{"action":"Restart","exitCodes":{"operator":"In","values":[43]}}]`
	lifted42 = `{"version":"v1","containers":{"app":{"restartPolicy":"Never","restartPolicyRules":` + rules42 + `}}}`
	lifted43 = `{"version":"v1","containers":{"app":{"restartPolicy":"Never","restartPolicyRules":` + rules43 + `}}}`
)

type object = map[string]any

// container is a container with those native rules, or without.
func container(name, rules string) object {
	c := object{"name": name, "image": "example.com/" + name, "command": []any{"run"}, "fieldOfTheFuture": true}
	if rules != "" {
		c["restartPolicy"] = "Never"
		var list any
		if err := json.Unmarshal([]byte(rules), &list); err != nil {
			panic(err)
		}
		c["restartPolicyRules"] = list
	}
	return c
}

// template is a Pod template of these containers.
func template(containers ...any) object {
	return object{"metadata": object{"labels": object{"a": "b"}}, "spec": object{"containers": containers}}
}

// with is a copy of the template with an annotation.
func with(template object, annotation, value string) object {
	t := maps.Clone(template)
	metadata, _ := t["metadata"].(object)
	metadata = maps.Clone(metadata)
	annotations, _ := metadata["annotations"].(object)
	annotations = maps.Clone(annotations)
	if annotations == nil {
		annotations = object{}
	}
	annotations[annotation] = value
	metadata["annotations"] = annotations
	t["metadata"] = metadata
	return t
}

func lifted(value string) object {
	return with(template(container("app", "")), api.LiftedRulesAnnotation, value)
}

func deployment(template object) object {
	return object{"metadata": object{"name": "web"}, "spec": object{"replicas": 1.0, "template": template}}
}

func text(t testing.TB, o any) []byte {
	t.Helper()
	data, err := json.Marshal(o)
	require.NoError(t, err)
	return data
}

func kind(t testing.TB, apiVersion, name string) Kind {
	t.Helper()
	k, ok := KindOf(apiVersion, name)
	require.True(t, ok)
	return k
}

// apply asks about a request, which is a creation if old is nil, and applies the patch.
func apply(t testing.TB, k Kind, old, requested object, opts inject.Options) (object, inject.Result) {
	t.Helper()
	var result inject.Result
	var err error
	if old == nil {
		result, err = Create(text(t, requested), k, opts)
	} else {
		result, err = Update(text(t, requested), text(t, old), k, opts)
	}
	require.NoError(t, err)
	patch, err := jsonpatch.DecodePatch(text(t, append([]inject.Op{}, result.Patch...)))
	require.NoError(t, err)
	patched, err := patch.Apply(text(t, requested))
	require.NoError(t, err)
	var after object
	require.NoError(t, json.Unmarshal(patched, &after))
	return after, result
}

func same(t testing.TB, want, is object) {
	t.Helper()
	require.JSONEq(t, string(text(t, want)), string(text(t, is)))
}
