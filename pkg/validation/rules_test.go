package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRestartAllContainers(t *testing.T) {
	for name, tc := range map[string]struct {
		list, fields string
		errs         []string
	}{
		"action": {"containers", "restartPolicy: Never\nrestartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In}}]", nil},
		"other action": {"containers", "restartPolicy: Never\nrestartPolicyRules: [{action: Explode, exitCodes: {operator: In}}]", []string{
			`spec.containers[0].restartPolicyRules[0].action: Unsupported value: "Explode": supported values: "Restart", "RestartAllContainers"`}},
		"sidecar": {"initContainers", "restartPolicy: Always\nrestartPolicyRules: [" + aRule + "]", nil},
		"rule of a sidecar": {"initContainers", "restartPolicy: Always\nrestartPolicyRules: [{action: Restart}]", []string{
			"spec.initContainers[0].restartPolicyRules[0].exitCodes: Required value: must be specified"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, errs := Pod(pod(t, native(tc.list, tc.fields)), nil, Options{RestartAllContainers: true})
			require.Equal(t, tc.errs, texts(errs))
		})
	}
}

func TestEphemeralContainers(t *testing.T) {
	for fields, want := range map[string][]string{
		"image: x":                            nil,
		"restartPolicyRules: null":            nil,
		"restartPolicy: Always":               {"spec.ephemeralContainers[0].restartPolicy: Forbidden: cannot be set for an Ephemeral Container"},
		"restartPolicyRules: [" + aRule + "]": {"spec.ephemeralContainers[0].restartPolicyRules: Forbidden: cannot be set for an Ephemeral Container"},
		"restartPolicyRules: []":              {"spec.ephemeralContainers[0].restartPolicyRules: Forbidden: cannot be set for an Ephemeral Container"},
	} {
		t.Run(fields, func(t *testing.T) {
			_, _, errs := Pod(pod(t, native("ephemeralContainers", fields)), nil, Options{})
			require.Equal(t, want, texts(errs))
		})
	}
}
