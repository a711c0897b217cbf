package inject

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

const meshed = `
metadata: {name: p}
spec:
  containers:
  - {name: trainer, command: [/train], restartPolicy: Never}
  - {name: istio-proxy, command: [/proxy]}
`

// TestOursAsEncodingJSON compares what is added to all Pods that there are here with what encoding/json makes of it.
func TestOursAsEncodingJSON(t *testing.T) {
	pods := map[string]string{"meshed": meshed, "trainer": trainer}
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.yaml") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		pods[strings.TrimSuffix(filepath.Base(file), ".yaml")] = string(text)
	}
	reporting, odd := configured, testOptions
	reporting.ReportURL = "https://reports.example.com/?a=<b>&c"
	odd.Image, odd.ImagePullPolicy, odd.ReadinessPort, odd.ReportURL = "é<&>\"\x01", "", 0, "\u2028"
	seen := map[string]int{}
	for name, pod := range pods {
		for _, options := range []Options{testOptions, configured, reporting, odd} {
			result, err := Create(object(t, pod), options)
			require.NoError(t, err)
			for _, op := range result.Patch {
				switch value := op.Value.(type) {
				case []any:
					requireAsEncodingJSON(t, name, value...)
					seen["list"]++
				case *corev1.Container:
					requireAsEncodingJSON(t, name, value)
					seen[value.Name]++
				case []ourVolume, ourVolume:
					requireAsEncodingJSON(t, name, value)
					seen["volumes"]++
				}
			}
		}
	}
	require.Greater(t, seen["list"], 20)
	require.Greater(t, seen[api.WatcherContainer], 20)
	require.Greater(t, seen["volumes"], 20)
}

func requireAsEncodingJSON(t *testing.T, name string, values ...any) {
	t.Helper()
	for _, value := range values {
		want, err := json.Marshal(value)
		require.NoError(t, err)
		got, err := appendValue(nil, value)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}
