package explain

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/rules"
)

var updateGolden = flag.Bool("update", false, "write the golden files")

func compiled(t *testing.T, file string, features compile.Features) *inject.Compiled {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	object, err := yaml.YAMLToJSON(text)
	require.NoError(t, err)
	c, _, errs, err := inject.Compile(object, nil, inject.Options{Native: features})
	require.NoError(t, err)
	require.Empty(t, errs)
	require.NotNil(t, c)
	return c
}

// TestGolden explains each Pod of testdata, on clusters that have nothing natively and on those that
// have container restart rules.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			var got bytes.Buffer
			for _, features := range []compile.Features{{}, {Restart: true}} {
				fmt.Fprintf(&got, "Native: %+v\n", features)
				require.NoError(t, Explain(compiled(t, file, features)).WriteTable(&got))
				fmt.Fprintln(&got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden.txt"
			if *updateGolden {
				require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		})
	}
}

// TestAgreesWithDecisions wants every explanation to restart exactly where the rules do.
func TestAgreesWithDecisions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		for _, features := range []compile.Features{{}, {Restart: true}} {
			c := compiled(t, file, features)
			for i, container := range Explain(c).Containers {
				next := 0
				for _, e := range container.Exits {
					require.Equal(t, next, e.From)
					for code := e.From; code <= e.To; code++ {
						restarts := rules.Decide(c.Own, &c.Containers[i].Rules, int32(code)).Action == rules.Restart
						action := e.Steps[0].Action
						require.Equal(t, restarts, action == RestartInPlace || action == RestartContainer, "%s: %s, code %d: %s", file, container.Name, code, action)
						require.Equal(t, container.Wrapped && action == RestartInPlace, e.Steps[0].By == Shim && action != Linger)
					}
					next = e.To + 1
				}
				require.Equal(t, rules.Codes, next)
			}
		}
	}
}

func TestOnly(t *testing.T) {
	p := Explain(compiled(t, "testdata/superset.yaml", compile.Features{}))
	require.True(t, p.Only(map[string][]int{"trainer": {42, 7}}))
	require.Len(t, p.Containers, 1)
	require.Equal(t, []int{42, 7}, []int{p.Containers[0].Exits[0].From, p.Containers[0].Exits[1].To})
	require.Len(t, p.Containers[0].Exits[0].Steps, 2)
	require.False(t, p.Only(map[string][]int{"nobody": {1}}))
}
