package validation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/rules"
)

const annotationPath = "metadata.annotations[restartrules.dev/rules]"

func TestSuperset(t *testing.T) {
	all := Options{RestartAllContainers: true}
	for name, tc := range map[string]struct {
		document string
		opts     Options
		errs     []string
	}{
		"all of it": {`containers:
  a:
    restartPolicy: Always
    restartPolicyRules:
    - {action: Terminate, exitCodes: {operator: In, values: [7]}}
    - {action: Restart, exitCodes: {operator: In, values: [42]}, maxRestarts: 3, within: 10m}
    - {action: Terminate, exitCodes: {operator: In, values: [42]}}
    maxRestarts: 5
    backoff: none
initContainers:
  i:
    restartPolicy: Never
    restartPolicyRules:
    - {action: Restart, exitCodes: {operator: In, values: [42]}, maxRestarts: 3}
    maxRestarts: 0
  s: {}`, Options{}, nil},
		"action": {"containers:\n  a:\n    restartPolicy: Never\n    restartPolicyRules:\n    - action: Explode\n      exitCodes: {operator: In}", Options{}, []string{
			annotationPath + `.containers[a].restartPolicyRules[0].action: Unsupported value: "Explode": supported values: "Restart", "Terminate", "TerminatePod" (line 5)`}},
		"action, all containers allowed": {"initContainers: {i: {restartPolicy: Never, restartPolicyRules: [{action: terminate, exitCodes: {operator: In}}]}}", all, []string{
			annotationPath + `.initContainers[i].restartPolicyRules[0].action: Unsupported value: "terminate": supported values: "Restart", "RestartAllContainers", "Terminate", "TerminatePod" (line 1)`}},
		"all containers": {"containers: {a: {restartPolicy: Never, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In}}]}}", Options{}, []string{
			annotationPath + `.containers[a].restartPolicyRules[0].action: Unsupported value: "RestartAllContainers": supported values: "Restart", "Terminate", "TerminatePod" (line 1)`}},
		"all containers allowed": {"containers: {a: {restartPolicy: Never, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}}]}}", all, nil},
		"terminate the Pod":      {"containers: {a: {restartPolicy: Never, restartPolicyRules: [{action: TerminatePod, exitCodes: {operator: In, values: [1]}}]}}", Options{}, nil},
		"within alone": {"containers:\n  a:\n    restartPolicy: Never\n    restartPolicyRules:\n    - action: Restart\n      exitCodes: {operator: In, values: [1]}\n      within: 5m", Options{}, []string{
			annotationPath + `.containers[a].restartPolicyRules[0].maxRestarts: Required value: within is the time in which the rule may restart the container that often (line 5)`}},
		"a limit for another action": {"containers:\n  a:\n    restartPolicy: Never\n    restartPolicyRules:\n    - " + aRule + "\n    - action: Terminate\n      exitCodes: {operator: In, values: [2]}\n      maxRestarts: 3", Options{}, []string{
			annotationPath + `.containers[a].restartPolicyRules[1].maxRestarts: Forbidden: only a rule with action Restart can be used up, this one has action Terminate (line 8)`}},
		"a limit for all containers": {"containers: {a: {restartPolicy: Never, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}, maxRestarts: 3}]}}", all, []string{
			annotationPath + `.containers[a].restartPolicyRules[0].maxRestarts: Forbidden: only a rule with action Restart can be used up, this one has action RestartAllContainers (line 1)`}},
		"a limit for an unknown action": {"containers: {a: {restartPolicy: Never, restartPolicyRules: [{action: X, exitCodes: {operator: In}, maxRestarts: 3}]}}", Options{}, []string{
			annotationPath + `.containers[a].restartPolicyRules[0].action: Unsupported value: "X": supported values: "Restart", "Terminate", "TerminatePod" (line 1)`}},
		"ranges": {"containers:\n  a:\n    restartPolicyRules:\n    - maxRestarts: 0\n    maxRestarts: -1", Options{}, []string{
			annotationPath + `.containers[a].restartPolicyRules[0].maxRestarts: Invalid value: line 4: expected a number from 1 to 1000, got "0"`,
			annotationPath + `.containers[a].maxRestarts: Invalid value: line 5: expected a number from 0 to 1000000, got "-1"`}},
		"the whole Pod": {"restartAllContainers: {terminationGracePeriodSeconds: 0, preStop: true, backoff: none, killTimeoutSeconds: 1}", Options{}, nil},
		"the whole Pod, wrong": {"restartAllContainers:\n  terminationGracePeriodSeconds: -1\n  preStop: 'yes'\n  killTimeoutSeconds: 0\n  grace: 1", Options{}, []string{
			annotationPath + `.restartAllContainers.terminationGracePeriodSeconds: Invalid value: line 2: expected a number from 0 to 86400, got "-1"`,
			annotationPath + `.restartAllContainers.preStop: Invalid value: line 3: expected true or false, got "yes"`,
			annotationPath + `.restartAllContainers.killTimeoutSeconds: Invalid value: line 4: expected a number from 1 to 86400, got "0"`,
			annotationPath + `.restartAllContainers: Invalid value: line 5: unknown key "grace", expected one of terminationGracePeriodSeconds, preStop, backoff, killTimeoutSeconds`}},
		"sidecar, all containers allowed": {"initContainers:\n  s:\n    maxRestarts: 3\n    backoff: none", all, []string{
			annotationPath + `.initContainers[s].maxRestarts: Forbidden: init container "s" is a sidecar, which always restarts: leave maxRestarts out (line 3)`}},
		"sidecar": {"initContainers:\n  s:\n    maxRestarts: 3\n    backoff: none", Options{}, []string{
			annotationPath + `.initContainers[s].maxRestarts: Forbidden: init container "s" is a sidecar, which always restarts: leave maxRestarts out (line 3)`,
			annotationPath + `.initContainers[s].backoff: Forbidden: init container "s" is a sidecar, which always restarts: leave backoff out (line 4)`}},
		"sidecar with rules": {"initContainers: {s: {restartPolicy: Always, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}}]}}", all, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, errs := Pod(pod(t, annotated(tc.document)), nil, tc.opts)
			require.Equal(t, tc.errs, texts(errs))
			require.Empty(t, warnings)
		})
	}
}

func TestTerminateIsNotNative(t *testing.T) {
	const fields = "restartPolicy: Never\nrestartPolicyRules: [{action: Terminate, exitCodes: {operator: In}}]"
	_, _, errs := Pod(pod(t, native("containers", fields)), nil, Options{})
	require.Equal(t, []string{`spec.containers[0].restartPolicyRules[0].action: Unsupported value: "Terminate": supported values: "Restart"`}, texts(errs))
}

func TestBothPlacesWithLimits(t *testing.T) {
	_, warnings, errs := Pod(pod(t, annotated("containers: {b: {restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}, maxRestarts: 3}]}}")), nil, Options{})
	require.Empty(t, errs)
	require.Equal(t, []string{`container "b": its restart rules are both in the container and in the annotation restartrules.dev/rules; the latter's apply, with their maxRestarts`}, warnings)
}

func TestResolve(t *testing.T) {
	p := pod(t, `
metadata:
  annotations:
    restartrules.dev/lifted-rules: '{"version":"v1","containers":{"c":{"restartPolicy":"OnFailure"}},"initContainers":{"i":{"restartPolicy":"Never"}}}'
    restartrules.dev/rules: |
      containers:
        a: {restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}, maxRestarts: 3, within: 1m}], maxRestarts: 5}
        b: {backoff: none}
        c: {maxRestarts: 0, backoff: {maxDelay: 5m}}
spec:
  initContainers: [{name: i}, {name: s, restartPolicy: Always}]
  containers: [{name: a}, {name: b, restartPolicy: Never}, {name: c}, {name: d}]
`)
	doc, warnings, errs := Pod(p, nil, Options{})
	require.Empty(t, errs)
	require.Empty(t, warnings)
	initContainers, containers := Resolve(p, doc)

	require.Len(t, initContainers, 2)
	require.EqualValues(t, "Never", *initContainers[0].RestartPolicy)
	require.EqualValues(t, "Always", *initContainers[1].RestartPolicy)

	five, none := int32(5), int32(0)
	require.Len(t, containers, 4)
	require.Equal(t, Resolved{Rules: doc.Container("a").Rules, Limits: []rules.Limit{{MaxRestarts: 3, Within: time.Minute}}, MaxRestarts: &five}, containers[0])
	require.Equal(t, Resolved{Rules: p.Spec.Containers[1].Rules, Backoff: &manifest.Backoff{None: true}}, containers[1])
	require.EqualValues(t, "OnFailure", *containers[2].RestartPolicy)
	require.Equal(t, &none, containers[2].MaxRestarts)
	require.Nil(t, containers[2].Backoff, "it is the default")
	require.Zero(t, containers[3])

	initContainers, containers = Resolve(p, nil)
	require.Len(t, initContainers, 2)
	require.Zero(t, containers[0])
	require.EqualValues(t, "OnFailure", *containers[2].RestartPolicy)
}
