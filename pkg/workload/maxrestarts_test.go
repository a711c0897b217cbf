package workload

import (
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
)

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
