package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateGolden = flag.Bool("update", false, "write the golden files")

// execute runs the program in the directory testdata.
func execute(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

// TestGolden runs commands over the manifests of testdata and compares all that they print.
func TestGolden(t *testing.T) {
	t.Chdir("testdata")
	const image = "--image=example.com/restartrules:v1"
	for name, args := range map[string][]string{
		"validate":              {"validate", "-f", "manifests"},
		"validate-recursive":    {"validate", "-f", "manifests", "-R"},
		"validate-json":         {"validate", "-f", "manifests/wrong.yaml", "-o", "json"},
		"validate-github":       {"validate", "-f", "manifests", "-o", "github"},
		"validate-fine":         {"validate", "-f", "manifests/pods.yaml"},
		"validate-strict":       {"validate", "-f", "manifests/list.yaml", "--strict"},
		"validate-crlf":         {"validate", "-f", "broken/crlf.yaml"},
		"validate-pod-template": {"validate", "-f", "manifests/nested/rollout.yml", "--pod-templates=argoproj.io/v1alpha1/rollouts=spec.template"},
		"inject-pods":           {"inject", "-f", "manifests/pods.yaml", image},
		"inject-list":           {"inject", "-f", "manifests/list.yaml", image},
		"inject-json":           {"inject", "-f", "manifests/nested/cronjob.yaml", image, "-o", "json"},
		"inject-workloads":      {"inject", "-f", "manifests/nested/jobset.yaml", "-f", "manifests/nested/deployment.yaml", image, "--share-process-namespace=false"},
		"inject-errors":         {"inject", "-f", "manifests/wrong.yaml", image},
		"inject-no-image":       {"inject", "-f", "manifests/pods.yaml"},
		"inject-nothing":        {"inject", "-f", "manifests/nested/rollout.yml"},
		"convert":               {"convert", "-f", "manifests/pods.yaml"},
		"convert-nested":        {"convert", "-f", "manifests/nested", "-R"},
		"convert-list":          {"convert", "-f", "manifests/list.yaml", "-o", "json"},
		"convert-errors":        {"convert", "-f", "manifests/podlist.json"},
		"convert-native-errors": {"convert", "-f", "superset.yaml", "--to=native"},
		"convert-native":        {"convert", "-f", "lifted.yaml", "--to=native"},
		"convert-lifted":        {"convert", "-f", "lifted.yaml"},
		"explain":               {"explain", "-f", "manifests/list.yaml"},
		"explain-workloads":     {"explain", "-f", "manifests/nested", "-f", "manifests/wrong.yaml"},
		"explain-restart-all":   {"explain", "-f", "restart-all.yaml"},
		"validate-restart-all":  {"validate", "-f", "restart-all.yaml"},
		"inject-restart-all":    {"inject", "-f", "restart-all.yaml", image, "--readiness-port=0"},
		"explain-superset":      {"explain", "-f", "superset.yaml"},
		"explain-job":           {"explain", "-f", "job.yaml"},
		"explain-exit":          {"explain", "-f", "manifests/pods.yaml", "--exit", "trainer=42", "--exit=trainer=1"},
		"explain-json":          {"explain", "-f", "manifests/nested/jobset.yaml", "--exit=worker=137", "-o", "json"},
		"explain-native":        {"explain", "-f", "manifests/pods.yaml", "--native-features=ContainerRestartRules"},
		"explain-nobody":        {"explain", "-f", "manifests/pods.yaml", "--exit=nobody=1"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := execute(t, "", args...)
			got := fmt.Sprintf("$ kubectl restartrules %s\n%sexit code %d\n\n%s", strings.Join(args, " "), quoted(stderr), code, stdout)
			golden := filepath.Join("golden", name+".txt")
			if *updateGolden {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

// quoted marks what came on standard error.
func quoted(stderr string) string {
	var b strings.Builder
	for line := range strings.Lines(stderr) {
		b.WriteString("! " + line)
	}
	return b.String()
}
