package inject

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/manifest"
)

func TestAppendPatch(t *testing.T) {
	mount := manifest.VolumeMount{Name: "v", MountPath: "/v"}
	for _, ops := range [][]Op{
		{},
		{{Op: "remove", Path: "/a"}},
		{{"add", "/a", "b"}, {"replace", `/"~1`, "\"\\\n\x00<&>é\u2028\xff"}},
		{{"add", "/a", nil}, {"add", "/a", ""}, {"add", "/a", false}, {"add", "/a", true}},
		{{"add", "/a", corev1.RestartPolicyNever}, {"add", "/a", new(corev1.ContainerRestartPolicyAlways)}},
		{{"add", "/a", []string{"b", "c"}}, {"add", "/a", []string{}}, {"add", "/a", []string(nil)}},
		{{"add", "/a", mountsOf("b")}, {"add", "/a", mountsOf("b")[0]}, {"add", "/a", mount}, {"add", "/a", []manifest.VolumeMount(nil)}},
		{{"add", "/a", map[string]string{"b": "c", "\"": "d"}}, {"add", "/a", map[string]string{}}, {"add", "/a", map[string]string(nil)}, {"add", "/a", json.RawMessage(`{"b":1}`)}, {"add", "/a", manifest.Raw(`[1]`)}, {"add", "/a", []any{controlVolume, 5}}, {"add", "/a", []any{}}, {"add", "/a", []ourVolume(nil)}},
	} {
		got, err := AppendPatch(nil, ops)
		require.NoError(t, err)
		want, err := json.Marshal(ops)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got))
	}
	_, err := AppendPatch(nil, []Op{{"add", "/a", func() {}}})
	require.ErrorContains(t, err, "encode what is to be at /a: ")
}

func TestEncodeDeclared(t *testing.T) {
	rule := func(operator corev1.ContainerRestartRuleOnExitCodesOperator, codes ...int32) corev1.ContainerRestartRule {
		return corev1.ContainerRestartRule{Action: "Restart", ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: operator, Values: codes}}
	}
	for _, d := range []declared{
		{Rules: manifest.Rules{RestartPolicy: &sidecar}},
		{Rules: manifest.Rules{RestartPolicy: &sidecar, RestartPolicyRules: []corev1.ContainerRestartRule{rule("In", 0, 42, -1), rule("NotIn"), {Action: "Terminate"}}}},
		{Rules: manifest.Rules{RestartPolicyRules: []corev1.ContainerRestartRule{rule("In", 1)}}, LivenessProbe: manifest.Raw(`{"exec":{"command":["<"]}}`)},
		{LivenessProbe: manifest.Raw(`{}`), StartupProbe: manifest.Raw(`{"a":1}`)},
	} {
		want, err := json.Marshal(d)
		require.NoError(t, err)
		got, err := json.Marshal(d.encode()) // as it is in the plan
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
	require.Nil(t, (&declared{}).encode())
}
