package inject

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
)

var updateGolden = flag.Bool("update", false, "write the golden files")

// TestGolden creates each Pod of testdata and compares what becomes of it, and what is said about
// it, with the golden file. Files named native-* are for a cluster that has container policies and
// the action Restart, files named configured-* for an installation that says all that it can.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.yaml") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			input, err := os.ReadFile(file)
			require.NoError(t, err)
			data := object(t, string(input))
			options := testOptions
			if strings.HasPrefix(filepath.Base(file), "configured-") {
				options = configured
			}
			options.Native.Restart = strings.HasPrefix(filepath.Base(file), "native-")
			result, err := Create(data, options)
			require.NoError(t, err)
			requireSameIfChecked(t, result, data, options)

			var got bytes.Buffer
			for _, w := range result.Warnings {
				require.Less(t, len(w), 256)
				fmt.Fprintf(&got, "# Warning: %s\n", w)
			}
			for _, e := range result.Errors {
				fmt.Fprintf(&got, "# Error: %s\n", e)
			}
			patched := apply(t, data, result.Patch)
			if len(result.Errors) == 0 {
				text, err := yaml.JSONToYAML(patched)
				require.NoError(t, err)
				got.Write(text)
				errs, err := Check(patched)
				require.NoError(t, err)
				require.Empty(t, errs)
				again, err := Create(patched, options)
				require.NoError(t, err)
				require.Empty(t, again.Patch)
				requireSameIfChecked(t, again, patched, options)
			}

			golden := strings.TrimSuffix(file, ".yaml") + ".golden.yaml"
			if *updateGolden {
				require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		})
	}
}

// requireSameIfChecked: that the types of the fields are known to be right changes nothing for those that are.
func requireSameIfChecked(t *testing.T, result Result, data []byte, options Options) {
	t.Helper()
	options.Checked = true
	same, err := Create(data, options)
	require.NoError(t, err)
	require.Equal(t, result, same)
}
