//go:build e2e

package matrix

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// crds are the CustomResourceDefinitions of kinds that are not built in: a module, and the file in it.
var crds = []struct{ module, file string }{
	{"sigs.k8s.io/jobset@v0.11.0", "config/components/crd/bases/jobset.x-k8s.io_jobsets.yaml"},
	{"sigs.k8s.io/lws@v0.8.0", "config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml"},
}

// installCRDs makes the kinds that are not built in known to the API server. There are no controllers for them.
func (c *testCluster) installCRDs(t *testing.T) {
	t.Helper()
	for _, crd := range crds {
		file := filepath.Join(moduleDir(t, crd.module), crd.file)
		c.mustKubectl(t, "", "apply", "--server-side", "-f", file)
	}
	for _, k := range kinds {
		if !k.custom {
			continue
		}
		eventually(t, "the API server serves "+k.name, func() bool {
			_, _, err := c.kubectl(t, "", "get", k.name, "-n", "default")
			return err == nil
		})
	}
}

// moduleDir is where the files of a module are, once it is downloaded. It need not be one of ours.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Dir = root
	output, err := cmd.Output()
	require.NoError(t, err, "%s: %s", module, output)
	var downloaded struct{ Dir string }
	require.NoError(t, json.Unmarshal(output, &downloaded))
	return downloaded.Dir
}
