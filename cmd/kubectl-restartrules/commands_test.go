package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"restartrules.dev/cmd/kubectl-restartrules/internal/source"
)

func TestExitCodes(t *testing.T) {
	const (
		fine    = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n"
		warning = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a, restartPolicy: Never}]}\n"
		wrong   = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a, restartPolicy: Sometimes}]}\n"
	)
	for name, tc := range map[string]struct {
		args   []string
		stdin  string
		code   int
		stderr string
	}{
		"fine":               {[]string{"validate", "-f", "-"}, fine, 0, ""},
		"warning":            {[]string{"validate", "-f", "-"}, warning, 0, ""},
		"strict":             {[]string{"validate", "-f", "-", "--strict"}, warning, 1, ""},
		"wrong":              {[]string{"validate", "-f", "-"}, wrong, 1, ""},
		"wrong in JSON":      {[]string{"validate", "-f", "-", "-o", "json"}, wrong, 1, ""},
		"inject wrong":       {[]string{"inject", "-f", "-"}, wrong, 1, "<stdin>:4: error: Pod/a: spec.containers[0].restartPolicy: "},
		"convert wrong":      {[]string{"convert", "-f", "-"}, wrong, 1, "<stdin>:4: error: "},
		"explain wrong":      {[]string{"explain", "-f", "-"}, wrong, 1, "<stdin>:4: error: "},
		"unreadable":         {[]string{"validate", "-f", "-"}, "a: [\n", 2, "<stdin>:"},
		"unreadable, wrong":  {[]string{"validate", "-f", "-"}, wrong + "---\na: [\n", 2, "<stdin>:"},
		"inject unreadable":  {[]string{"inject", "-f", "-"}, fine + "---\na: [\n", 2, "<stdin>:"},
		"explain unreadable": {[]string{"explain", "-f", "-"}, fine + "---\na: [\n", 2, "<stdin>:"},
		"nothing":            {[]string{"validate", "-f", "-"}, "# nothing\n", 2, "no document"},
		"no file":            {[]string{"validate", "-f", "nowhere.yaml"}, "", 2, "nowhere.yaml: no such file"},
		"URL":                {[]string{"validate", "-f", "https://example.com/a.yaml"}, "", 2, "is a URL"},
		"no flag":            {[]string{"validate"}, "", 2, `required flag(s) "filename" not set`},
		"output":             {[]string{"validate", "-f", "-", "-o", "xml"}, "", 2, "must be one of text, json, github"},
		"to":                 {[]string{"convert", "-f", "-", "--to", "yaml"}, "", 2, "must be one of annotation, native"},
		"argument":           {[]string{"validate", "pod.yaml"}, "", 2, "unknown command"},
		"command":            {[]string{"mend"}, "", 2, `unknown command "mend"`},
		"check before a Pod": {[]string{"check", "--pre", "a"}, "", 2, "--pre can't be combined with Pods"},
		"no cluster":         {[]string{"check", "--kubeconfig=nowhere"}, "", 2, "find the cluster: "},
		"explain nothing":    {[]string{"explain"}, "", 2, "expected the name of a Pod in the cluster, or --filename"},
		"explain both":       {[]string{"explain", "a", "-f", "-"}, fine, 2, "names of Pods can't be combined with --filename"},
		"pod templates":      {[]string{"validate", "-f", "-", "--pod-templates=a"}, fine, 2, "--pod-templates: "},
		"native features":    {[]string{"validate", "-f", "-", "--native-features=All"}, fine, 2, `--native-features: "All" is unknown`},
		"native feature":     {[]string{"validate", "-f", "-", "--native-features=RestartAllContainersOnContainerExits"}, fine, 2, "without ContainerRestartRules"},
		"exit":               {[]string{"explain", "-f", "-", "--exit=a"}, fine, 2, "expected CONTAINER=CODE"},
		"exit code":          {[]string{"explain", "-f", "-", "--exit=a=256"}, fine, 2, "expected CONTAINER=CODE"},
		"pull policy":        {[]string{"inject", "-f", "-", "--image-pull-policy=Often"}, fine, 2, `--image-pull-policy is "Often"`},
		"help":               {[]string{"--help"}, "", 0, ""},
		"completion":         {[]string{"completion", "bash"}, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := execute(t, tc.stdin, tc.args...)
			require.Equal(t, tc.code, code, stderr)
			if tc.stderr == "" {
				require.Empty(t, stderr)
				require.NotEmpty(t, stdout)
			}
			require.Contains(t, stderr, tc.stderr)
		})
	}
}

func TestHelpNamesThePlugin(t *testing.T) {
	for _, command := range newCommand().Commands() {
		_, stdout, _ := execute(t, "", command.Name(), "--help")
		require.Contains(t, stdout, "Usage:\n  kubectl restartrules "+command.Name())
		require.Contains(t, stdout, "Examples:\n  kubectl restartrules "+command.Name())
		require.NotContains(t, stdout, "(default -", "a number that stands for something else")
	}
}

func TestCompletion(t *testing.T) {
	for flag, values := range map[string]string{"validate -o": "text\njson\ngithub\n", "convert --to": "annotation\nnative\n"} {
		_, stdout, _ := execute(t, "", append(append([]string{"__complete"}, strings.Fields(flag)...), "")...)
		require.True(t, strings.HasPrefix(stdout, values), stdout)
	}
}

// TestCompletionOfClusters: what kubectl completes of its own flags is completed, and where a Pod is wanted no files are.
func TestCompletionOfClusters(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte(`{clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}],
		users: [{name: me}], contexts: [{name: there, context: {}}, {name: here, context: {cluster: here, user: me}}], current-context: here}`), 0o600))
	t.Setenv("KUBECONFIG", config)
	for args, want := range map[string]string{
		"status --context": "here\nthere\n:4\n", "check --cluster": "here\n:4\n", "explain --user": "me\n:4\n", "status --namespace": ":4\n",
		"status": ":4\n", "check": ":4\n", "explain": ":4\n",
	} {
		_, stdout, _ := execute(t, "", append(append([]string{"__complete"}, strings.Fields(args)...), "")...)
		require.Equal(t, want, stdout, args)
	}
}

func TestGitHub(t *testing.T) {
	f := finding{severityError, "a,b:c%.yaml", 7, 1, "Pod/a:b", "spec", "100 %,\r\nthen: more"}
	require.Equal(t, "::error file=a%2Cb%3Ac%25.yaml,line=7,title=Pod/a%3Ab::spec: 100 %25,%0D%0Athen: more", f.github())
	f.Severity, f.File, f.Field = severityNote, source.Stdin, ""
	require.Equal(t, "::notice line=7,title=Pod/a%3Ab::100 %25,%0D%0Athen: more", f.github())
}

// TestConvertThereAndBack wants the objects to be what they were, for all that both forms can say.
func TestConvertThereAndBack(t *testing.T) {
	files, err := filepath.Glob("testdata/manifests/nested/*.y*ml")
	require.NoError(t, err)
	for _, file := range append(files, "testdata/manifests/list.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			annotated := convert(t, string(text))
			native := convert(t, annotated, "--to=native")
			requireSame(t, string(text), native)
			requireSame(t, annotated, convert(t, native))
			requireSame(t, annotated, convert(t, annotated))
			requireSame(t, native, convert(t, native, "--to=native"))
		})
	}
}

func TestConvertKeepsDocument(t *testing.T) {
	const pod = `apiVersion: v1
kind: Pod
metadata:
  name: both
  annotations:
    other: "1"
    restartrules.dev/rules: |
      # how long to wait
      containers:
        app: {backoff: none}
        agreed: {restartPolicy: Never} # as below
spec:
  containers:
  - name: app
    restartPolicy: OnFailure
    unknownField: 1
  - name: agreed
    restartPolicy: Never
  - name: "yes"
    restartPolicy: Always
    restartPolicyRules: []
`
	require.Equal(t, `apiVersion: v1
kind: Pod
metadata:
  name: both
  annotations:
    other: "1"
    restartrules.dev/rules: |
      # how long to wait
      containers:
        app: {restartPolicy: OnFailure, backoff: none}
        agreed: {restartPolicy: Never} # as below
        "yes":
          restartPolicy: Always
spec:
  containers:
  - name: app
    unknownField: 1
  - name: agreed
  - name: "yes"
`, convert(t, pod))
}

func convert(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	code, stdout, stderr := execute(t, stdin, append([]string{"convert", "-f", "-"}, args...)...)
	require.Zero(t, code, stderr)
	return stdout
}

func requireSame(t *testing.T, want, got string) {
	t.Helper()
	var w, g any
	require.NoError(t, yaml.Unmarshal([]byte(want), &w))
	require.NoError(t, yaml.Unmarshal([]byte(got), &g))
	require.Equal(t, w, g)
}

// TestInjectLeavesAlone wants documents without rules, and Pods that opt out, to be the same bytes.
func TestInjectLeavesAlone(t *testing.T) {
	const stream = `apiVersion: v1
kind: Pod
metadata: {name: none}   # no rules
spec:
    containers: [{name: a, image: a}]
---
apiVersion: v1
kind: Pod
metadata: {name: out, labels: {restartrules.dev/inject: disabled}}
spec: {containers: [{name: a, image: a, command: [a],   restartPolicy: Never}]}
`
	code, stdout, stderr := execute(t, stream, "inject", "-f", "-")
	require.Zero(t, code)
	require.Equal(t, stream, stdout)
	require.Equal(t, "<stdin>:9: warning: Pod/out: metadata.labels[restartrules.dev/inject]: keeps Restart Rules away: the restart rules are not applied\n", stderr)
	_, stdout, _ = execute(t, stream, "explain", "-f", "-")
	require.Equal(t, 2, strings.Count(stdout, "No restart rules to apply"))
}

// TestUnknownFields wants what strict decoding refuses in and beside our fields, and nothing else.
func TestUnknownFields(t *testing.T) {
	_, stdout, _ := execute(t, `apiVersion: batch/v1
kind: Job
metadata: {name: a}
spec:
  template:
    spec:
      restartPolicyRules: []
      somethingNew: 1
      initContainers:
      - name: b
        command: [b]
        restartPolicy: OnFailure
        restartpolicy: Never
        somethingNew: 1
        maxRestarts: 3
      containers:
      - name: c
        command: [c]
        restartPolicy: Never
        restartPolicy: Never
        restartPolicyRules:
        - action: Restart
          exitCode: 1
          exitCodes: {operator: In, values: [1], value: 2, operator: In}
`, "validate", "-f", "-")
	require.Equal(t, `<stdin>:7: error: Job/a: unknown field "spec.template.spec.restartPolicyRules"
<stdin>:13: error: Job/a: unknown field "spec.template.spec.initContainers[0].restartpolicy"
<stdin>:15: error: Job/a: unknown field "spec.template.spec.initContainers[0].maxRestarts"
<stdin>:20: error: Job/a: duplicate field "spec.template.spec.containers[0].restartPolicy"
<stdin>:23: error: Job/a: unknown field "spec.template.spec.containers[0].restartPolicyRules[0].exitCode"
<stdin>:24: error: Job/a: unknown field "spec.template.spec.containers[0].restartPolicyRules[0].exitCodes.value"
<stdin>:24: error: Job/a: duplicate field "spec.template.spec.containers[0].restartPolicyRules[0].exitCodes.operator"
`, strings.Join(onlyErrors(stdout), ""))
}

// TestWrongTypes wants values of a wrong type to be found where they are.
func TestWrongTypes(t *testing.T) {
	for text, says := range map[string]string{
		`values: ["42"]`:               "13: error: Job/a: spec.template.spec.containers[1].restartPolicyRules[0].exitCodes.values[0]: ",
		`values: [1, 2147483648]`:      "13: error: Job/a: spec.template.spec.containers[1].restartPolicyRules[0].exitCodes.values[1]: ",
		`values: 42`:                   "13: error: Job/a: spec.template.spec.containers[1].restartPolicyRules[0].exitCodes.values: ",
		`values: {42: {}}`:             "13: error: Job/a: spec.template.spec.containers[1].restartPolicyRules[0].exitCodes.values: ",
		`values: [[42]]`:               "13: error: Job/a: spec.template.spec.containers[1].restartPolicyRules[0].exitCodes.values[0]: ",
		`operator: [In], values: [42]`: "13: error: Job/a: spec.template.spec.containers[1].restartPolicyRules[0].exitCodes.operator: ",
	} {
		for _, command := range []string{"validate", "convert"} {
			_, stdout, stderr := execute(t, `apiVersion: batch/v1
kind: Job
metadata: {name: a}
spec:
  template:
    spec:
      containers:
      - name: b
      - name: c
        restartPolicy: Never
        restartPolicyRules:
        - action: Restart
          exitCodes: {`+text+"}\n", command, "-f", "-")
			require.Contains(t, stdout+stderr, "<stdin>:"+says, text)
		}
	}
}

func onlyErrors(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, ": error: ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestInjectForms wants YAML and JSON to say the same.
func TestInjectForms(t *testing.T) {
	text, err := os.ReadFile("testdata/manifests/nested/cronjob.yaml")
	require.NoError(t, err)
	_, asYAML, _ := execute(t, string(text), "inject", "-f", "-", "--image=i")
	_, asJSON, _ := execute(t, string(text), "inject", "-f", "-", "--image=i", "-o", "json")
	require.True(t, json.Valid([]byte(asJSON)))
	requireSame(t, asYAML, asJSON)
}

// TestInjectAgain wants injected manifests to be left as they are, and to be explained as before.
func TestInjectAgain(t *testing.T) {
	for _, file := range []string{"pods.yaml", "list.yaml", "nested/cronjob.yaml", "nested/jobset.yaml"} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata/manifests", file))
			require.NoError(t, err)
			_, once, _ := execute(t, string(text), "inject", "-f", "-", "--image=i")
			code, twice, stderr := execute(t, once, "inject", "-f", "-", "--image=i")
			require.Zero(t, code, stderr)
			require.Equal(t, once, twice)
			_, before, _ := execute(t, string(text), "explain", "-f", "-", "-o", "json")
			_, after, _ := execute(t, once, "explain", "-f", "-", "-o", "json")
			require.Equal(t, withoutLines(before), withoutLines(after))
		})
	}
}

func withoutLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if !strings.Contains(line, `"line": `) {
			lines = append(lines, line)
		}
	}
	return lines
}
