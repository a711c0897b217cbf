//go:build e2e

package installs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/testcluster"
)

// certManager has cert-manager at work in the cluster until the test is over: its definitions of kinds, its controllers and
// its CA injector, as a process of this machine. Its own webhook is not there: it would only check what we apply.
func certManager(t *testing.T, c *testcluster.Cluster) {
	t.Helper()
	program := tool(t, "e2e/certmanager", ".", "certmanager")
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager")
	list.Dir = filepath.Join(root, "e2e", "certmanager")
	out, err := list.Output()
	require.NoError(t, err)
	definitions := filepath.Join(strings.TrimSpace(string(out)), "deploy", "crds")
	run(t, c, "kubectl", "apply", "--server-side", "-f", definitions)
	t.Cleanup(func() { run(t, c, "kubectl", "delete", "-f", definitions) })
	run(t, c, "kubectl", "wait", "--for=condition=Established", "--timeout=60s", "-f", definitions)

	log, err := os.Create(filepath.Join(t.TempDir(), "cert-manager.log"))
	require.NoError(t, err)
	cmd := exec.Command(program, "--kubeconfig="+c.Kubeconfig)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		err := cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("cert-manager: %v\n%s", err, text[max(0, len(text)-8000):])
		}
		log.Close()
	})
}
