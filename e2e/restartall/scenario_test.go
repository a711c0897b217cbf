package restartall

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/sets"
)

func TestScenariosAndDifferencesAreWellFormed(t *testing.T) {
	scenarios, err := Load("scenarios")
	require.NoError(t, err)
	differences, err := LoadDifferences("differences.yaml")
	require.NoError(t, err)
	names := sets.New[string]()
	for _, s := range scenarios {
		names.Insert(s.Name)
	}
	for _, d := range differences {
		require.True(t, names.Has(d.Scenario), "difference %q: there is no scenario %s", d.Name, d.Scenario)
	}
}

func TestLoadRefuses(t *testing.T) {
	const pod = "pod: {spec: {containers: [{name: a}]}}\n"
	for name, test := range map[string]struct{ text, err string }{
		"unknown field": {pod + "expect: {}", `unknown field "expect"`},
		"no such container": {pod + "steps: [{exit: {b: 1}}]\nexpected: {phase: Failed}",
			"steps[0]: there is no container or hook b"},
		"an end that is none": {pod + "expected: {phase: Running}",
			`expected.phase "Running": Succeeded, Failed or Deleted: else something might still happen`},
		"deleted by nobody": {pod + "expected: {phase: Deleted}",
			`expected.phase "Deleted": it is Deleted if, and only if, a step deletes the Pod`},
		"deleted unexpectedly": {pod + "steps: [{delete: true}]\nexpected: {phase: Failed}",
			`expected.phase "Failed": it is Deleted if, and only if, a step deletes the Pod`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "s.yaml"), []byte(test.text), 0o600))
			_, err := Load(dir)
			require.ErrorContains(t, err, test.err)
		})
	}
	_, err := Load(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}
