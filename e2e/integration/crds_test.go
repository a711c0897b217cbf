//go:build integration

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// crds are the modules whose CustomResourceDefinitions we test with, and where they are in them.
var crds = []struct{ module, dir string }{
	{"sigs.k8s.io/jobset@v0.11.0", "config/components/crd/bases"},
	{"sigs.k8s.io/lws@v0.8.0", "config/crd/bases"},
}

// installCRDs installs them; go download fetches the modules, which are no dependency of ours.
func installCRDs() error {
	var paths []string
	for _, crd := range crds {
		cmd := exec.Command("go", "mod", "download", "-json", crd.module)
		cmd.Dir = os.TempDir() // outside of our module
		out, err := cmd.Output()
		var downloaded struct{ Dir, Error string }
		if decodeErr := json.Unmarshal(out, &downloaded); decodeErr != nil || downloaded.Dir == "" {
			return fmt.Errorf("download %s for its CustomResourceDefinitions: %w %s", crd.module, errors.Join(err, decodeErr), downloaded.Error)
		}
		paths = append(paths, filepath.Join(downloaded.Dir, crd.dir))
	}
	_, err := envtest.InstallCRDs(s.Config, envtest.CRDInstallOptions{Paths: paths, ErrorIfPathMissing: true})
	if err != nil {
		return fmt.Errorf("install the CustomResourceDefinitions: %w", err)
	}
	return nil
}
