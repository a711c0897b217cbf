//go:build e2e

package installs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/install"
	"restartrules.dev/e2e/testcluster"
)

const (
	// root is the repository.
	root = "../.."
	// clusterName is the cluster of these tests: nothing is installed when it comes up.
	clusterName = "install"
)

// cluster is brought up when it is first asked for, with the images and nothing else.
var cluster = sync.OnceValues(func() (*testcluster.Cluster, error) {
	return testcluster.Up(node.Options{Name: clusterName}, (*install.Cluster).LoadImages)
})

// TestMain takes the cluster down at the end. KEEP=1 keeps it up.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := testcluster.Down(clusterName); err != nil {
		fmt.Fprintln(os.Stderr, "installs:", err)
		code = 1
	}
	os.Exit(code)
}

// empty is the cluster, in which nothing of ours is.
func empty(t *testing.T) *testcluster.Cluster {
	t.Helper()
	testcluster.Need(t, "one in which nothing is installed")
	c, err := cluster()
	require.NoError(t, err)
	require.Empty(t, leftovers(t, c), "the cluster is not empty")
	return c
}

func restConfig(t *testing.T, c *testcluster.Cluster) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	require.NoError(t, err)
	config.QPS = -1 // no limit
	config.WarningHandler = rest.NoWarnings{}
	return config
}

// tool builds a command of a module of this repository, or of what that module depends on.
func tool(t *testing.T, module, pkg, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", "tools", name))
	require.NoError(t, err)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, pkg)
	build.Dir = filepath.Join(root, module)
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// run runs a command in the repository's directory as a user does; one that fails ends the test.
func run(t *testing.T, c *testcluster.Cluster, command string, args ...string) string {
	t.Helper()
	if command == "kubectl" {
		command = c.Kubectl
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), testcluster.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", filepath.Base(command), strings.Join(args, " "), out)
	return string(out)
}
