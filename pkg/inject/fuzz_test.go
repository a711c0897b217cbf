package inject

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

func FuzzCreate(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		data, err := yaml.YAMLToJSON(text)
		require.NoError(f, err)
		f.Add(data, strings.Contains(file, "native-"))
	}
	f.Add([]byte(`{"metadata":{},"spec":{"containers":[{"name":"a","command":["x"],"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]}]}}`), true)
	f.Add([]byte(`{"metadata":{"labels":{},"annotations":{"restartrules.dev/rules":"initContainers: {a: {restartPolicy: Never}}"}},"spec":{"initContainers":[{"name":"a","command":["x"]}],"containers":[],"volumes":[]}}`), false)
	f.Add([]byte(`{"metadata":{"labels":{"restartrules.dev/mode":"emulated"},"annotations":{"restartrules.dev/plan":"{\"version\":1,\"restartPolicy\":{\"own\":\"Always\",\"compiled\":\"Never\"},\"containers\":[{\"name\":\"a\",\"kind\":\"container\",\"wrapped\":true,\"onExit\":\"0-255:end\"}]}"}},`+
		`"spec":{"restartPolicy":"Never","initContainers":[{"name":"restartrules-watcher"}],"containers":[{"name":"a","command":["/restartrules/shim","--","x"]}]}}`), false)
	f.Fuzz(func(t *testing.T, data []byte, native bool) {
		// The API server's JSON has no key twice.
		var generic any
		if json.Unmarshal(data, &generic) != nil {
			return
		}
		data, err := json.Marshal(generic)
		require.NoError(t, err)
		for _, options := range []Options{testOptions, configured} {
			options.Native.Restart = native
			once(t, data, options)
		}
	})
}

// once: what has been injected is not injected again.
func once(t *testing.T, data []byte, options Options) {
	result, err := Create(data, options)
	if err != nil || !distinctNames(t, data) {
		return
	}
	requireSameIfChecked(t, result, data, options)
	if len(result.Errors) > 0 {
		require.Empty(t, result.Patch)
		return
	}
	patched := apply(t, data, result.Patch)
	again, err := Create(patched, options)
	require.NoError(t, err)
	require.Empty(t, again.Errors)
	require.Empty(t, again.Patch)
	same, err := Update(patched, patched, options)
	require.NoError(t, err)
	require.Empty(t, same.Errors)
	require.Empty(t, same.Patch)
	errs, err := Check(patched)
	require.NoError(t, err)
	if len(result.Patch) > 0 && !bytes.Contains(data, []byte(api.ShimPath)) {
		require.Empty(t, errs)
	}
}

// distinctNames reports whether the containers are named, each differently; other Pods are refused
// by the API server.
func distinctNames(t *testing.T, data []byte) bool {
	pod, err := manifest.DecodePod(data)
	require.NoError(t, err)
	seen := map[string]bool{"": true}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if seen[c.Name] {
			return false
		}
		seen[c.Name] = true
	}
	return true
}
