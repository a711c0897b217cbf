package validation

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/manifest"
)

const liftedPath = "metadata.annotations[restartrules.dev/lifted-rules]"

// liftedPod is the Pod of annotated with lifted rules besides.
func liftedPod(t *testing.T, lifted, document string) *manifest.Pod {
	t.Helper()
	p := pod(t, annotated(document))
	p.Metadata.Annotations["restartrules.dev/lifted-rules"] = lifted
	if document == "" {
		delete(p.Metadata.Annotations, "restartrules.dev/rules")
	}
	return p
}

func TestLifted(t *testing.T) {
	const (
		never     = `{"version":"v1","containers":{"a":{"restartPolicy":"Never"}}}`
		neverOn1  = `{"version":"v1","containers":{"a":{"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[1]}}]}}}`
		tidyUp    = "; if it is left over from an earlier template, delete the annotation restartrules.dev/lifted-rules"
		sidecarOn = `{"version":"v1","initContainers":{"s":{"restartPolicy":"Always","restartPolicyRules":[{"action":"RestartAllContainers","exitCodes":{"operator":"In","values":[1]}}]}}}`
	)
	for name, tc := range map[string]struct {
		lifted, document string
		opts             Options
		errs, warnings   []string
	}{
		"fine":  {neverOn1, "", Options{}, nil, nil},
		"empty": {"", "", Options{}, nil, nil},
		"the words of native fields": {`{"containers":{"a":{"restartPolicy":"Sometimes","restartPolicyRules":[{"action":"Terminate"}]}},"initContainers":{"i":{"restartPolicyRules":[{}]}}}`, "", Options{}, []string{
			liftedPath + `.containers[a].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"`,
			liftedPath + `.containers[a].restartPolicyRules[0].action: Unsupported value: "Terminate": supported values: "Restart"`,
			liftedPath + `.containers[a].restartPolicyRules[0].exitCodes: Required value: must be specified`,
			liftedPath + `.initContainers[i].restartPolicy: Required value: must specify restartPolicy when restart rules are used`}, nil},
		"not native": {`{"containers":{"a":{"maxRestarts":3}}}`, "", Options{}, []string{
			liftedPath + `.containers[a]: Invalid value: line 1: maxRestarts is not one of Kubernetes' own fields, and this annotation holds only those: write it in the annotation restartrules.dev/rules`}, nil},
		"unknown containers": {`{"containers":{"gone":{"restartPolicy":"Never"}},"initContainers":{"a":{"restartPolicy":"Never"}}}`, "", Options{}, []string{
			liftedPath + `.containers[gone]: Not found: "gone": the Pod has no container of this name; it has: "a", "b"` + tidyUp,
			liftedPath + `.initContainers[a]: Not found: "a": the Pod has no init container of this name; it has: "i", "s"` + tidyUp}, nil},
		"no longer a sidecar": {strings.ReplaceAll(sidecarOn, `"s"`, `"i"`), "", Options{RestartAllContainers: true}, []string{
			liftedPath + `.initContainers[i].restartPolicy: Forbidden: Always makes init container "i" a sidecar, which is Kubernetes' own: set restartPolicy: Always in the init container itself` + tidyUp}, nil},
		"sidecar": {sidecarOn, "", Options{RestartAllContainers: true}, nil, nil},
		"sidecar, not allowed": {sidecarOn, "", Options{}, []string{
			liftedPath + `.initContainers[s].restartPolicyRules: Forbidden: restartPolicyRules are not allowed for init containers with restart policy Always`}, nil},
		"agrees with the annotation": {neverOn1, "containers: {a: {restartPolicy: Never, restartPolicyRules: [" + aRule + "]}}", Options{}, nil, []string{
			`container "a": its restart rules are both in the annotations restartrules.dev/lifted-rules and restartrules.dev/rules; they agree, one of them is enough`}},
		"contradicts the annotation": {neverOn1, "containers: {a: {restartPolicy: Always}}", Options{}, []string{
			annotationPath + `.containers[a]: Forbidden: container "a" has other restart rules in the annotation restartrules.dev/lifted-rules: Restart Rules took these from the template's own restartPolicy and ` +
				`restartPolicyRules, so make them the same there, or, if they are no longer there, delete that annotation (line 1)`}, nil},
		"only a limit besides": {neverOn1, "containers: {a: {maxRestarts: 3}}", Options{}, nil, nil},
		"the rules alone are in the annotation": {never, "containers: {a: {restartPolicy: Never, restartPolicyRules: [" + aRule + "]}}", Options{}, nil, []string{
			`container "a": its restartPolicyRules are those of the annotation restartrules.dev/rules; the container itself has only the restartPolicy`}},
		"native fields stand": {`{"containers":{"b":{"restartPolicy":"Always"}}}`, "", Options{}, nil, nil},
		"doubtful": {strings.Replace(neverOn1, "[1]", "[256]", 1), "", Options{}, nil, []string{
			`container "a": restartPolicyRules[0] never matches: no process ends with 256; write exit codes from 0 to 255, or leave the rule out`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, errs := Pod(liftedPod(t, tc.lifted, tc.document), nil, tc.opts)
			require.Equal(t, tc.errs, texts(errs))
			require.Equal(t, tc.warnings, warnings)
		})
	}
	_, _, errs := Pod(liftedPod(t, "{", ""), field.NewPath("spec", "template"), Options{})
	require.Len(t, errs, 1)
	require.Equal(t, "spec.template."+liftedPath, errs[0].Field)
}
