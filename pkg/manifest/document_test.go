package manifest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/rules"
)

const full = `version: v1
containers:
  trainer:
    restartPolicy: Never
    restartPolicyRules:
    - {action: Restart, exitCodes: {operator: In, values: [42, -1]}}
    backoff: {initialDelay: 500ms, maxDelay: 1m}
  server: {backoff: none}
  worker:
    restartPolicy: Always
    restartPolicyRules:
    - {action: Terminate, exitCodes: {operator: In, values: [7]}}
    - {action: Restart, exitCodes: {operator: NotIn}, maxRestarts: 3, within: 10m}
    - action: Restart
      exitCodes: {operator: In, values: [1]}
      maxRestarts: 1000
    maxRestarts: 0
initContainers:
  setup: {restartPolicy: OnFailure, maxRestarts: 1000000}
`

func trainerRules() Rules {
	return Rules{RestartPolicy: policyOf("Never"), RestartPolicyRules: []corev1.ContainerRestartRule{
		{Action: "Restart", ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: "In", Values: []int32{42, -1}}},
	}}
}

func mustParse(t *testing.T, text string) *Document {
	t.Helper()
	doc, errs := ParseDocument(text)
	require.Empty(t, errs)
	return doc
}

func TestParseDocument(t *testing.T) {
	doc := mustParse(t, full)
	require.Equal(t, []DocumentContainer{
		{Name: "trainer", Rules: trainerRules(), Backoff: &Backoff{InitialDelay: 500 * time.Millisecond, MaxDelay: time.Minute, ResetAfter: 10 * time.Minute}},
		{Name: "server", Backoff: &Backoff{None: true}},
		{Name: "worker", Rules: Rules{RestartPolicy: policyOf("Always"), RestartPolicyRules: []corev1.ContainerRestartRule{
			{Action: "Terminate", ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: "In", Values: []int32{7}}},
			{Action: "Restart", ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: "NotIn"}},
			{Action: "Restart", ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: "In", Values: []int32{1}}},
		}}, Limits: []rules.Limit{{}, {MaxRestarts: 3, Within: 10 * time.Minute}, {MaxRestarts: 1000}}, MaxRestarts: new(int32)},
	}, doc.Containers)
	million := int32(1_000_000)
	require.Equal(t, []DocumentContainer{{Name: "setup", Rules: Rules{RestartPolicy: policyOf("OnFailure")}, MaxRestarts: &million}}, doc.InitContainers)
	require.Equal(t, "trainer", doc.Container("trainer").Name)
	require.Equal(t, "setup", doc.InitContainer("setup").Name)
	require.Nil(t, doc.Container("setup"))
	require.Equal(t, 6, doc.Line("containers[trainer].restartPolicyRules[0].exitCodes.values[1]"))
	require.Equal(t, 13, doc.Line("containers[worker].restartPolicyRules[1].within"))
	require.Equal(t, 16, doc.Line("containers[worker].restartPolicyRules[2].maxRestarts"))
	require.Equal(t, 17, doc.Line("containers[worker].maxRestarts"))
	require.Zero(t, doc.Line("containers[nobody]"))
}

func TestParseDocumentJSON(t *testing.T) {
	const text = "{\n\t\"containers\": {\n\t\t\"trainer\": {\n\t\t\t\"restartPolicy\": \"Never\",\n\t\t\t\"restartPolicyRules\": [\n" +
		"\t\t\t\t{\"action\": \"Restart\", \"exitCodes\": {\"operator\": \"In\", \"values\": [42, -1]}}\n\t\t\t]\n\t\t}\n\t}\n}"
	doc := mustParse(t, text)
	require.Equal(t, trainerRules(), doc.Container("trainer").Rules)
	require.Equal(t, 6, doc.Line("containers[trainer].restartPolicyRules[0].action"))
}

func TestParseDocumentErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		errs []string
	}{
		"empty":       {"", []string{"annotation restartrules.dev/rules: is empty, expected a document with containers or initContainers"}},
		"no object":   {"[]", []string{"annotation restartrules.dev/rules: line 1: expected an object with version, containers, initContainers, restartAllContainers, got a list"}},
		"only text":   {"Never", []string{`annotation restartrules.dev/rules: line 1: expected an object with version, containers, initContainers, restartAllContainers, got "Never"`}},
		"no YAML":     {"containers: {\n  a: [", []string{"annotation restartrules.dev/rules: line 2: neither YAML nor JSON: did not find expected node content"}},
		"two":         {"version: v1\n---\nversion: v1", []string{"annotation restartrules.dev/rules: line 2: a second YAML document begins here, expected only one"}},
		"version":     {"version: v2", []string{`annotation restartrules.dev/rules: line 1: unknown version "v2", expected "v1"`}},
		"version one": {"version: 1", []string{`annotation restartrules.dev/rules: line 1: expected "v1", got "1"`}},
		"unknown key": {"containers:\n  a:\n    restartPolicyRules:\n    - {action: Restart, exitCode: {}}", []string{
			`annotation restartrules.dev/rules: line 4: unknown key "exitCode", did you mean "exitCodes"?`}},
		"unknown key like none": {"pods: {}", []string{
			`annotation restartrules.dev/rules: line 1: unknown key "pods", expected one of version, containers, initContainers, restartAllContainers`}},
		"the whole Pod": {"containers: {}\nrestartAllContainers: {preStop: null, backoff: never}", []string{
			"annotation restartrules.dev/rules: line 2: expected true or false, got nothing",
			`annotation restartrules.dev/rules: line 2: expected none or an object with initialDelay, maxDelay and resetAfter, got "never"`}},
		"limits": {"containers:\n  a:\n    maxRestarts: 1000001\n    restartPolicyRules:\n    - maxRestarts: 0\n      within: 999ms\n    - maxRestarts: 1001\n      within: 5\n    - maxRestarts: x\n" +
			"      within: -1m\n    - {maxRestarts: 1.0, within: 1d}\n  b: {maxRestarts: -1}\n  c: {maxRestarts: [3], restartPolicyRules: [{maxRestarts: }, {within: 300000h0m0s1ns}, {within: 9999999h}]}", []string{
			`annotation restartrules.dev/rules: line 3: expected a number from 0 to 1000000, got "1000001"`,
			`annotation restartrules.dev/rules: line 5: expected a number from 1 to 1000, got "0"`,
			`annotation restartrules.dev/rules: line 6: expected a duration of at least 1s, got "999ms"`,
			`annotation restartrules.dev/rules: line 7: expected a number from 1 to 1000, got "1001"`,
			`annotation restartrules.dev/rules: line 8: expected a duration like "500ms", "10s" or "5m", got "5"`,
			`annotation restartrules.dev/rules: line 9: expected a number from 1 to 1000, got "x"`,
			`annotation restartrules.dev/rules: line 10: expected a duration of at least 1s, got "-1m"`,
			`annotation restartrules.dev/rules: line 11: expected a number from 1 to 1000, got "1.0"`,
			`annotation restartrules.dev/rules: line 11: expected a duration like "500ms", "10s" or "5m", got "1d"`,
			`annotation restartrules.dev/rules: line 12: expected a number from 0 to 1000000, got "-1"`,
			"annotation restartrules.dev/rules: line 13: expected a number from 0 to 1000000, got a list",
			"annotation restartrules.dev/rules: line 13: expected a number from 1 to 1000, got nothing",
			`annotation restartrules.dev/rules: line 13: expected a duration like "500ms", "10s" or "5m", got "9999999h"`}},
		"limits, misspelt or misplaced": {"containers:\n  a:\n    maxRestart: 3\n    within: 5m\n    restartPolicyRules:\n    - {maxrestarts: 3, withn: 5m}\nmaxRestarts: 3", []string{
			`annotation restartrules.dev/rules: line 3: unknown key "maxRestart", did you mean "maxRestarts"?`,
			`annotation restartrules.dev/rules: line 4: unknown key "within", expected one of restartPolicy, restartPolicyRules, maxRestarts, backoff`,
			`annotation restartrules.dev/rules: line 6: unknown key "maxrestarts", did you mean "maxRestarts"?`,
			`annotation restartrules.dev/rules: line 6: unknown key "withn", did you mean "within"?`,
			`annotation restartrules.dev/rules: line 7: unknown key "maxRestarts", expected one of version, containers, initContainers, restartAllContainers`}},
		"twice": {"containers:\n  a: {}\n  a: {}", []string{
			`annotation restartrules.dev/rules: line 3: key "a" is there twice, first in line 2`}},
		"types": {"containers:\n  a:\n    restartPolicy: [Never]\n    restartPolicyRules: {}\n  b: null\n  c:\n    restartPolicy: true", []string{
			"annotation restartrules.dev/rules: line 3: expected a restart policy, got a list",
			"annotation restartrules.dev/rules: line 4: expected a list of rules, got an object",
			"annotation restartrules.dev/rules: line 5: expected an object with restartPolicy, restartPolicyRules, maxRestarts, backoff, got nothing",
			`annotation restartrules.dev/rules: line 7: expected a restart policy, got "true"`}},
		"exit codes": {"containers: {a: {restartPolicyRules: [{exitCodes: {values: [1, x, 2147483648, 1.5]}}]}}", []string{
			`annotation restartrules.dev/rules: line 1: expected an exit code, a number, got "x"`,
			`annotation restartrules.dev/rules: line 1: expected an exit code, a number, got "2147483648"`,
			`annotation restartrules.dev/rules: line 1: expected an exit code, a number, got "1.5"`}},
		"backoff": {"containers:\n  a: {backoff: never}\n  b: {backoff: {initialDelay: 5, maxDelay: 5 minutes, resetAfter: 0s}}\n  c: {backoff: {initialDelay: 6m}}", []string{
			`annotation restartrules.dev/rules: line 2: expected none or an object with initialDelay, maxDelay and resetAfter, got "never"`,
			`annotation restartrules.dev/rules: line 3: expected a duration like "500ms", "10s" or "5m", got "5"`,
			`annotation restartrules.dev/rules: line 3: expected a duration like "500ms", "10s" or "5m", got "5 minutes"`,
			`annotation restartrules.dev/rules: line 3: expected a duration above zero, got "0s"; write backoff: none to restart at once`,
			"annotation restartrules.dev/rules: line 4: initialDelay 6m0s is longer than maxDelay 5m0s"}},
		"aliases": {"containers:\n  a: &x {restartPolicy: Never}\n  b: *x\n  c: {<<: *x}", []string{
			"annotation restartrules.dev/rules: line 3: expected an object with restartPolicy, restartPolicyRules, maxRestarts, backoff, got an alias (*x), which is not supported",
			`annotation restartrules.dev/rules: line 4: unknown key "<<", expected one of restartPolicy, restartPolicyRules, maxRestarts, backoff`}},
		"complex key": {"? [a]\n: b", []string{"annotation restartrules.dev/rules: line 1: expected a key, got a list"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := ParseDocument(tc.text)
			var texts []string
			for _, err := range errs {
				texts = append(texts, err.Error())
			}
			require.Equal(t, tc.errs, texts)
		})
	}
}

func TestDocumentEqual(t *testing.T) {
	doc := mustParse(t, full)
	require.True(t, doc.Equal(mustParse(t, "# the same\n"+full)))
	require.True(t, mustParse(t, "containers: {a: {restartPolicy: Never}}").Equal(
		mustParse(t, "version: v1\ncontainers: {a: {restartPolicy: Never, restartPolicyRules: [], backoff: {maxDelay: 300s}}, b: {}}\n"+
			"restartAllContainers: {terminationGracePeriodSeconds: 2, preStop: false, backoff: {maxDelay: 5m}, killTimeoutSeconds: 60}")))
	for _, other := range []string{
		"containers: {a: {restartPolicy: Always}}",
		"initContainers: {a: {restartPolicy: Never}}",
		"containers: {a: {restartPolicy: Never, backoff: none}}",
		"containers: {b: {restartPolicy: Never}}",
		"containers: {a: {restartPolicy: Never, maxRestarts: 0}}",
		"containers: {a: {restartPolicy: Never}}\nrestartAllContainers: {preStop: true}",
		"containers: {a: {restartPolicy: Never}}\nrestartAllContainers: {terminationGracePeriodSeconds: 3}",
		"containers: {a: {restartPolicy: Never}}\nrestartAllContainers: {backoff: none}",
	} {
		require.False(t, mustParse(t, "containers: {a: {restartPolicy: Never}}").Equal(mustParse(t, other)), other)
	}
}

func TestDocumentEqualKnowsLimits(t *testing.T) {
	const rule = "containers: {a: {restartPolicyRules: [{action: Restart%s}]%s}}"
	same := mustParse(t, fmt.Sprintf(rule, ", maxRestarts: 3, within: 10m", ", maxRestarts: 5"))
	require.True(t, same.Equal(mustParse(t, fmt.Sprintf(rule, ", within: 600s, maxRestarts: 3", ", maxRestarts: 5"))))
	for _, other := range [][2]string{
		{"", ", maxRestarts: 5"},
		{", maxRestarts: 3", ", maxRestarts: 5"},
		{", maxRestarts: 4, within: 10m", ", maxRestarts: 5"},
		{", maxRestarts: 3, within: 11m", ", maxRestarts: 5"},
		{", maxRestarts: 3, within: 10m", ""},
		{", maxRestarts: 3, within: 10m", ", maxRestarts: 0"},
	} {
		require.False(t, same.Equal(mustParse(t, fmt.Sprintf(rule, other[0], other[1]))), other)
	}
	require.False(t, mustParse(t, "containers: {a: {maxRestarts: 1}}").Equal(mustParse(t, "containers: {a: {}}")))
}

func TestBackoffString(t *testing.T) {
	require.Equal(t, "none", Backoff{None: true}.String())
	require.Equal(t, "10s/5m/10m", DefaultBackoff.String())
	require.Equal(t, "500ms/1m30s/2h", Backoff{InitialDelay: 500 * time.Millisecond, MaxDelay: 90 * time.Second, ResetAfter: 2 * time.Hour}.String())
}

func FuzzParseDocument(f *testing.F) {
	for _, text := range []string{full, "", "# nothing", "a: &a [*a]", "{}", "{\"containers\":\t{}}", "? [a]\n: b", "version: v1\n---\n", "containers: {a: {backoff: none}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, errs := ParseDocument(text)
		require.NotNil(t, doc)
		for _, err := range errs {
			require.NotEmpty(t, err.Detail)
			require.GreaterOrEqual(t, err.Line, 0)
		}
		require.True(t, doc.Equal(doc))
	})
}
