package workload

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
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

// managed are managedFields of one manager with fields of the container "app".
func managed(manager, operation, time string, fields ...string) object {
	owned := object{}
	for _, f := range fields {
		owned["f:"+f] = object{}
	}
	return object{"manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": time, "fieldsType": "FieldsV1", "fieldsV1": object{
		"f:spec": object{"f:template": object{"f:spec": object{"f:containers": object{`k:{"name":"app"}`: owned}}}}}}
}

func TestUpdate(t *testing.T) {
	const early, late = "2030-01-01T00:00:00Z", "2030-01-01T00:00:01Z"
	meta := func(o object, key string, value any) object {
		o = maps.Clone(o)
		metadata := maps.Clone(o["metadata"].(object))
		metadata[key] = value
		o["metadata"] = metadata
		return o
	}
	applied := func(o object, template object) object {
		return meta(o, "annotations", object{"kubectl.kubernetes.io/last-applied-configuration": string(text(t, deployment(template)))})
	}
	manages := func(o object, entries ...any) object { return meta(o, "managedFields", entries) }
	plain, native42 := template(container("app", "")), template(container("app", rules42))
	two := func(rulesA, rulesB string) object { return template(container("app", rulesA), container("b", rulesB)) }
	const liftedBoth = `{"version":"v1","containers":{"app":{"restartPolicy":"Never","restartPolicyRules":` + rules42 + `},"b":{"restartPolicy":"Never","restartPolicyRules":` + rules42 + `}}}`
	const liftedB = `{"version":"v1","containers":{"b":{"restartPolicy":"Never","restartPolicyRules":` + rules43 + `}}}`

	for name, test := range map[string]struct {
		old, requested, want object
		warns                string
	}{
		"the same again":  {deployment(lifted(lifted42)), deployment(with(native42, api.LiftedRulesAnnotation, lifted42)), deployment(lifted(lifted42)), ""},
		"PUT of the same": {deployment(lifted(" " + lifted42)), deployment(native42), deployment(lifted(" " + lifted42)), ""},
		"edited":          {deployment(lifted(lifted42)), deployment(template(container("app", rules43))), deployment(lifted(lifted43)), ""},
		"PUT without":     {deployment(lifted(lifted42)), deployment(plain), deployment(plain), ""},
		"stored natively": {deployment(native42), deployment(native42), deployment(native42), ""},
		"stored natively, changed": {deployment(native42), deployment(with(native42, "x", "y")),
			deployment(with(lifted(lifted42), "x", "y")), ""},
		"invalid, but unchanged": {deployment(lifted("[")), deployment(lifted("[")), deployment(lifted("[")), ""},
		"removed by kubectl apply": {applied(deployment(lifted(lifted42)), native42), applied(deployment(lifted(lifted42)), plain),
			applied(deployment(plain), plain), ""},
		"kubectl scale": {applied(deployment(lifted(lifted42)), native42), applied(deployment(lifted(lifted42)), native42),
			applied(deployment(lifted(lifted42)), native42), ""},
		"applied with what we lifted": {applied(deployment(lifted(lifted42)), native42), applied(deployment(lifted(lifted42)), lifted(lifted42)),
			applied(deployment(lifted(lifted42)), lifted(lifted42)), ""},
		"applied for the first time": {deployment(lifted(lifted42)), applied(deployment(lifted(lifted42)), plain),
			applied(deployment(lifted(lifted42)), plain), "still apply"},
		"removed by server-side apply": {
			manages(deployment(lifted(lifted42)), managed("me", "Apply", early, "image", "restartPolicy", "restartPolicyRules")),
			manages(deployment(lifted(lifted42)), managed("me", "Apply", late, "image")),
			manages(deployment(plain), managed("me", "Apply", late, "image")), ""},
		"another still applies": {
			manages(deployment(lifted(lifted42)), managed("me", "Apply", early, "restartPolicy"), managed("you", "Apply", early, "restartPolicy")),
			manages(deployment(lifted(lifted42)), managed("you", "Apply", early, "restartPolicy")),
			manages(deployment(lifted(lifted42)), managed("you", "Apply", early, "restartPolicy")), ""},
		"edited by another": {
			manages(deployment(lifted(lifted42)), managed("helm", "Update", early, "image", "restartPolicy")),
			manages(deployment(lifted(lifted42)), managed("helm", "Update", early, "restartPolicy"), managed("set", "Update", late, "image")),
			manages(deployment(lifted(lifted42)), managed("helm", "Update", early, "restartPolicy"), managed("set", "Update", late, "image")), ""},
		"edited by the same": {
			manages(deployment(lifted(lifted42)), managed("helm", "Update", early, "image", "restartPolicy")),
			manages(deployment(lifted(lifted42)), managed("helm", "Update", late, "image", "restartPolicy")),
			manages(deployment(lifted(lifted42)), managed("helm", "Update", late, "image", "restartPolicy")), "still apply"},
		"no trace": {deployment(lifted(lifted42)), deployment(lifted(lifted42)), deployment(lifted(lifted42)), "still apply"},
		"removed from one of two": {deployment(with(two("", ""), api.LiftedRulesAnnotation, liftedBoth)),
			deployment(with(two("", rules43), api.LiftedRulesAnnotation, liftedBoth)),
			deployment(with(two("", ""), api.LiftedRulesAnnotation, liftedB)), `container "app": the restart rules that it had no longer apply`},
		"container removed": {deployment(with(two("", ""), api.LiftedRulesAnnotation, liftedBoth)),
			applied(deployment(with(plain, api.LiftedRulesAnnotation, liftedBoth)), native42),
			applied(deployment(lifted(lifted42)), native42), ""},
	} {
		t.Run(name, func(t *testing.T) {
			after, result := apply(t, kind(t, "apps/v1", "Deployment"), test.old, test.requested, inject.Options{})
			require.Empty(t, result.Errors)
			same(t, test.want, after)
			var warnings []string
			for _, w := range result.Warnings {
				require.LessOrEqual(t, len(w), maxWarning)
				if !strings.Contains(w, "the Pod's restartPolicy") { // which is package inject's
					warnings = append(warnings, w)
				}
			}
			if test.warns == "" {
				require.Empty(t, warnings)
			} else {
				require.NotEmpty(t, warnings)
				require.Contains(t, warnings[0], test.warns)
			}
		})
	}
}

func TestLimitFromBackoffLimit(t *testing.T) {
	job := func(limit any, template object) object {
		spec := object{"template": template}
		template["spec"].(object)["restartPolicy"] = "OnFailure"
		if limit != nil {
			spec["backoffLimit"] = limit
		}
		return object{"metadata": object{"name": "train"}, "spec": spec}
	}
	native := func() object { return template(container("app", rules42)) }
	limit := func(o object) any {
		annotations, _ := o["spec"].(object)["template"].(object)["metadata"].(object)["annotations"].(object)
		return annotations[api.MaxRestartsAnnotation]
	}
	k := kind(t, "batch/v1", "Job")
	for name, test := range map[string]struct {
		o    object
		want any
	}{
		"default":         {job(nil, native()), "6"},
		"own":             {job(3, native()), "3"},
		"annotation":      {job(0, with(template(container("app", "")), api.RulesAnnotation, "containers: {app: {restartPolicy: Never}}")), "0"},
		"lifted":          {job(2, lifted(lifted42)), "2"},
		"said itself":     {job(3, with(native(), api.MaxRestartsAnnotation, "9")), "9"},
		"without end":     {job(2147483647, native()), nil},
		"without rules":   {job(3, template(container("app", ""))), nil},
		"no OnFailure":    {deployment(native()), nil},
		"null":            {object{"metadata": object{}, "spec": object{"backoffLimit": nil, "template": job(nil, native())["spec"].(object)["template"]}}, "6"},
		"no backoffLimit": {object{"metadata": object{}, "spec": object{"backoffLimit": "x", "template": job(nil, native())["spec"].(object)["template"]}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			after, result := apply(t, k, nil, test.o, inject.Options{})
			require.Empty(t, result.Errors)
			require.Equal(t, test.want, limit(after))
		})
	}

	created, _ := apply(t, k, nil, job(3, native()), inject.Options{})
	again, _ := apply(t, k, created, job(3, native()), inject.Options{})
	same(t, created, again)
	old := job(3, lifted(lifted42))
	again, result := apply(t, k, old, old, inject.Options{})
	same(t, old, again)
	require.Empty(t, result.Patch, "a Job's template is immutable")

	cron := func(job object) object {
		return object{"metadata": object{"name": "train"}, "spec": object{"jobTemplate": object{"spec": job["spec"]}}}
	}
	inner := func(o object) object { return o["spec"].(object)["jobTemplate"].(object) }
	k = kind(t, "batch/v1", "CronJob")
	created, _ = apply(t, k, nil, cron(job(3, native())), inject.Options{})
	require.Equal(t, "3", limit(inner(created)))
	edited := cron(object{"spec": object{"backoffLimit": 5, "template": inner(created)["spec"].(object)["template"]}})
	edited, _ = apply(t, k, created, edited, inject.Options{})
	require.Equal(t, "5", limit(inner(edited)))
	old = cron(job(3, lifted(lifted42)))
	again, _ = apply(t, k, old, old, inject.Options{})
	same(t, old, again)
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

// FuzzUpdate: whatever is there and is requested, a patch can be applied, and what it makes is left
// alone by the next request.
func FuzzUpdate(f *testing.F) {
	plain := text(f, deployment(template(container("app", ""))))
	native := text(f, deployment(template(container("app", rules42))))
	f.Add(native, plain)
	f.Add(native, text(f, deployment(lifted(lifted42))))
	f.Add(text(f, deployment(with(template(container("app", rules43)), api.LiftedRulesAnnotation, lifted42))), text(f, deployment(lifted(lifted42))))
	k := kind(f, "apps/v1", "Deployment")
	f.Fuzz(func(t *testing.T, requested, old []byte) {
		result, err := Update(requested, old, k, inject.Options{})
		if err != nil {
			return
		}
		if len(result.Errors) > 0 {
			require.Empty(t, result.Patch)
			return
		}
		patch, err := jsonpatch.DecodePatch(text(t, append([]inject.Op{}, result.Patch...)))
		require.NoError(t, err)
		patched, err := patch.Apply(requested)
		require.NoError(t, err)
		result, err = Update(patched, patched, k, inject.Options{})
		require.NoError(t, err)
		require.Empty(t, result.Errors)
	})
}
