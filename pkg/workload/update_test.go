package workload

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
)

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
