package workload

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/inject"
)

func TestCreateLifts(t *testing.T) {
	k := kind(t, "apps/v1", "Deployment")
	sidecar := object{"name": "proxy", "image": "x", "restartPolicy": "Always"}
	setup := object{"name": "setup", "image": "x", "command": []any{"x"}}
	setupOnce := maps.Clone(setup)
	setupOnce["restartPolicy"] = "Never"
	initContainers := func(list ...any) object {
		t := template(container("app", ""))
		t["spec"].(object)["initContainers"] = list
		return t
	}
	bare := func(rules string) object { return object{"spec": object{"containers": []any{container("app", rules)}}} }
	bareLifted := bare("")
	bareLifted["metadata"] = object{"annotations": object{api.LiftedRulesAnnotation: lifted42}}
	for name, test := range map[string]struct{ is, want object }{
		"no rules":    {template(container("app", "")), template(container("app", ""))},
		"rules":       {template(container("app", rules42)), lifted(lifted42)},
		"no metadata": {bare(rules42), bareLifted},
		"annotations": {with(template(container("app", rules42)), "x", "y"), with(lifted(lifted42), "x", "y")},
		"init container and sidecar": {initContainers(sidecar, setupOnce),
			with(initContainers(sidecar, setup), api.LiftedRulesAnnotation, `{"version":"v1","initContainers":{"setup":{"restartPolicy":"Never"}}}`)},
		"lifted already":      {lifted(lifted42), lifted(lifted42)},
		"in other words":      {lifted("containers: {app: {restartPolicy: Never}}"), lifted("containers: {app: {restartPolicy: Never}}")},
		"native and the same": {with(template(container("app", rules42)), api.LiftedRulesAnnotation, " "+lifted42), lifted(" " + lifted42)},
		"native over lifted":  {with(template(container("app", rules43)), api.LiftedRulesAnnotation, lifted42), lifted(lifted43)},
		"native over garbage": {with(template(container("app", rules43)), api.LiftedRulesAnnotation, "["), lifted(lifted43)},
	} {
		t.Run(name, func(t *testing.T) {
			after, result := apply(t, k, nil, deployment(test.is), inject.Options{})
			require.Empty(t, result.Errors)
			same(t, deployment(test.want), after)
		})
	}
}

func TestErrorsHaveTheUsersPaths(t *testing.T) {
	invalid := container("app", rules42)
	delete(invalid, "restartPolicy")
	job := object{"metadata": object{"name": "set"}, "spec": object{"replicatedJobs": []any{
		object{"name": "a", "template": object{"spec": object{"template": template(container("app", rules42))}}},
		object{"name": "b", "template": object{"spec": object{"template": template(invalid)}}},
	}}}
	_, result := apply(t, kind(t, "jobset.x-k8s.io/v1alpha2", "JobSet"), nil, job, inject.Options{})
	require.Len(t, result.Errors, 1)
	require.Empty(t, result.Patch)
	require.Equal(t, "spec.replicatedJobs[1].template.spec.template.spec.containers[0].restartPolicy", result.Errors[0].Field)

	gone := deployment(lifted(`{"version":"v1","containers":{"gone":{"restartPolicy":"Never"}}}`))
	_, result = apply(t, kind(t, "apps/v1", "Deployment"), nil, gone, inject.Options{})
	require.Len(t, result.Errors, 1)
	require.Equal(t, "spec.template.metadata.annotations[restartrules.dev/lifted-rules].containers[gone]", result.Errors[0].Field)

	_, result = apply(t, kind(t, "apps/v1", "Deployment"), nil, deployment(lifted("[")), inject.Options{})
	require.Len(t, result.Errors, 1)
}

func TestWhatIsLeftAlone(t *testing.T) {
	labelled := func(value string) object {
		t := template(container("app", rules42))
		t["metadata"] = object{"labels": object{api.InjectLabel: value}}
		return t
	}
	windows := template(container("app", rules42))
	windows["spec"].(object)["os"] = object{"name": "windows"}
	owned := deployment(template(container("app", rules42)))
	owned["metadata"].(object)["ownerReferences"] = []any{object{"kind": "Deployment", "name": "web", "controller": true}}
	for name, test := range map[string]struct {
		k    Kind
		o    object
		opts inject.Options
	}{
		"opted out":        {kind(t, "apps/v1", "Deployment"), deployment(labelled("disabled")), inject.Options{}},
		"not opted in":     {kind(t, "apps/v1", "Deployment").Labelled(), deployment(template(container("app", rules42))), inject.Options{}},
		"Windows":          {kind(t, "apps/v1", "Deployment"), deployment(windows), inject.Options{}},
		"native":           {kind(t, "apps/v1", "Deployment"), deployment(template(container("app", rules42))), inject.Options{Native: compile.Features{Restart: true}}},
		"owned ReplicaSet": {kind(t, "apps/v1", "ReplicaSet"), owned, inject.Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			after, result := apply(t, test.k, nil, test.o, test.opts)
			require.Empty(t, result.Errors)
			require.Empty(t, result.Patch)
			same(t, test.o, after)
		})
	}
	_, result := apply(t, kind(t, "apps/v1", "Deployment").Labelled(), nil, deployment(labelled("enabled")), inject.Options{})
	require.NotEmpty(t, result.Patch)
	_, result = apply(t, kind(t, "apps/v1", "StatefulSet"), nil, owned, inject.Options{})
	require.NotEmpty(t, result.Patch, "other owned objects are lifted")
}

// TestClusterWithoutRestartAllContainers has one that keeps Restart in templates and refuses the other.
func TestClusterWithoutRestartAllContainers(t *testing.T) {
	const rulesAll = `[{"action":"RestartAllContainers","exitCodes":{"operator":"In","values":[88]}}]`
	k, opts := kind(t, "apps/v1", "Deployment"), inject.Options{Native: compile.Features{Restart: true}}
	manifest := deployment(template(container("app", rulesAll), container("other", rules42)))
	live, result := apply(t, k, nil, manifest, opts)
	require.Empty(t, result.Errors)
	const want = `{"version":"v1","containers":{"app":{"restartPolicy":"Never","restartPolicyRules":` + rulesAll + `},"other":{"restartPolicy":"Never","restartPolicyRules":` + rules42 + `}}}`
	same(t, deployment(with(template(container("app", ""), container("other", "")), api.LiftedRulesAnnotation, want)), live)

	// The manifest again, and without the rule that made all of it be lifted.
	again := deployment(with(template(container("app", rulesAll), container("other", rules42)), api.LiftedRulesAnnotation, want))
	after, _ := apply(t, k, live, again, opts)
	same(t, live, after)
	less := deployment(with(template(container("app", rules43), container("other", rules42)), api.LiftedRulesAnnotation, want))
	after, _ = apply(t, k, live, less, opts)
	same(t, deployment(with(template(container("app", ""), container("other", "")), api.LiftedRulesAnnotation,
		`{"version":"v1","containers":{"app":{"restartPolicy":"Never","restartPolicyRules":`+rules43+`},"other":{"restartPolicy":"Never","restartPolicyRules":`+rules42+`}}}`)), after)

	opts.Native.RestartAll = true
	_, result = apply(t, k, nil, manifest, opts)
	require.Empty(t, result.Patch)
}

func TestObjectsThatAreNone(t *testing.T) {
	k := kind(t, "apps/v1", "Deployment")
	for _, o := range []string{``, `[]`, `{"spec":1}`, `{"spec":{"template":[]}}`, `{"spec":{"template":{}}}`, `{"metadata":1}`} {
		_, err := Create([]byte(o), k, inject.Options{})
		require.Error(t, err, o)
	}
	result, err := Create([]byte(`{"spec":{"template":null}}`), k, inject.Options{})
	require.NoError(t, err)
	require.Empty(t, result)
}
