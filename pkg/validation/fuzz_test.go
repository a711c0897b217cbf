package validation

import (
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

func FuzzPod(f *testing.F) {
	const object = `{"metadata":{},"spec":{"containers":[{"name":"a"},{"name":"b","restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[1,300]}}]}],` +
		`"initContainers":[{"name":"i"},{"name":"s","restartPolicy":"Always"}]}}`
	f.Add(object, "containers: {a: {restartPolicy: Never, restartPolicyRules: ["+on("Terminate", "NotIn", "0")+"], maxRestarts: 3}}", `{"initContainers":{"i":{"restartPolicy":"Never"}}}`, false)
	f.Add(object, "initContainers: {s: {restartPolicy: Always, restartPolicyRules: ["+on("RestartAllContainers", "In", "1")+"]}}",
		`{"initContainers":{"s":{"restartPolicy":"Always","restartPolicyRules":[{"action":"RestartAllContainers"}]}}}`, true)
	f.Add(object, "containers: {b: {maxRestarts: 3, backoff: none}}", "", true)
	f.Fuzz(func(t *testing.T, object, document, lifted string, all bool) {
		p, err := manifest.DecodePod([]byte(object))
		if err != nil {
			return
		}
		annotations := map[string]string{api.LiftedRulesAnnotation: lifted}
		if document != "" {
			annotations[api.RulesAnnotation] = document
		}
		p.Metadata.Annotations = annotations
		doc, _, errs := Pod(p, nil, Options{RestartAllContainers: all})
		if len(errs) > 0 {
			return
		}
		initContainers, containers := Resolve(p, doc)
		require.Len(t, initContainers, len(p.Spec.InitContainers))
		require.Len(t, containers, len(p.Spec.Containers))
		for _, c := range append(initContainers, containers...) {
			require.True(t, c.Limits == nil || len(c.Limits) == len(c.RestartPolicyRules))
			require.True(t, len(c.RestartPolicyRules) == 0 || c.RestartPolicy != nil)
		}
	})
}
