package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnnotationsOfWholePods(t *testing.T) {
	const all = `
spec:
  initContainers:
  - {name: s, restartPolicy: Always, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}}]}
  containers:
  - {name: a, restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}, {action: RestartAllContainers, exitCodes: {operator: In, values: [2]}}]}
  - {name: b}
`
	for name, tc := range map[string]struct {
		annotations    string
		errs, warnings []string
	}{
		"fine":    {"restartrules.dev/exclude-containers: ' b,, b ', restartrules.dev/strategy: sandbox", nil, nil},
		"nothing": {"restartrules.dev/exclude-containers: ''", nil, nil},
		"unknown": {"restartrules.dev/exclude-containers: 'x,b,c'", nil, []string{
			`annotation restartrules.dev/exclude-containers: the Pod has no container "c"; it has no effect unless something else adds that`,
			`annotation restartrules.dev/exclude-containers: the Pod has no container "x"; it has no effect unless something else adds that`}},
		"sources": {"restartrules.dev/exclude-containers: 's,a'", []string{
			`metadata.annotations[restartrules.dev/exclude-containers]: Forbidden: container "a" has a rule with action RestartAllContainers, so it can't be left out of what that does: take it off this list, or leave the rule out`,
			`metadata.annotations[restartrules.dev/exclude-containers]: Forbidden: container "s" has a rule with action RestartAllContainers, so it can't be left out of what that does: take it off this list, or leave the rule out`}, nil},
		"strategy": {"restartrules.dev/strategy: inPlace", []string{
			`metadata.annotations[restartrules.dev/strategy]: Unsupported value: "inPlace": supported values: "sandbox"`}, nil},
		"scripts": {"restartrules.dev/init-scripts: scripts.v1", nil, nil},
		"scripts and sandbox": {"restartrules.dev/init-scripts: scripts, restartrules.dev/strategy: sandbox", []string{
			`metadata.annotations[restartrules.dev/init-scripts]: Forbidden: with the annotation restartrules.dev/strategy: sandbox the init containers themselves run again: leave one of the two out`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, errs := Pod(pod(t, "metadata:\n  annotations: {"+tc.annotations+"}"+all), nil, Options{RestartAllContainers: true})
			require.Equal(t, tc.errs, texts(errs))
			require.Equal(t, tc.warnings, warnings)
		})
	}
	_, _, errs := Pod(pod(t, "metadata:\n  annotations: {restartrules.dev/init-scripts: 'my scripts'}"+all), nil, Options{RestartAllContainers: true})
	require.Len(t, errs, 1)
	require.ErrorContains(t, errs[0], "must be the name of a ConfigMap: ")
}
