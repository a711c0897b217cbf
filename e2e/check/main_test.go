//go:build e2e

package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/install"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/compile"
)

const (
	root        = "../.."
	clusterName = "check"
	manifests   = "e2e/check/manifests"
	system      = "restartrules-system"
	webhook     = "restartrules-webhook"
)

// up brings the cluster up, with the feature that nodes are to lack, and everything installed.
var up = sync.OnceValues(func() (*testcluster.Cluster, error) {
	return testcluster.Up(node.Options{Name: clusterName, FeatureGates: node.Gates{compile.RestartFeature: true, compile.RestartAllFeature: false}},
		func(c *install.Cluster, ctx context.Context) error { return c.InstallFrom(ctx, manifests) })
})

// TestMain takes the cluster down at the end. KEEP=1 keeps it up.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := testcluster.Down(clusterName); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		code = 1
	}
	os.Exit(code)
}

func theCluster(t *testing.T) *testcluster.Cluster {
	t.Helper()
	testcluster.Need(t, "one to break")
	c, err := up()
	require.NoError(t, err)
	return c
}

// finding is one as the plugin prints it.
type finding struct{ Code, Severity, Object, What, Why, Fix string }

// said is what a run of the plugin says.
type said struct {
	Findings []finding
	LeftOut  []struct{ Check, Needs, Because string }
	Notes    []string
	exit     int
}

func (s *said) codes() (list []string) {
	for _, f := range s.Findings {
		if !slices.Contains(list, f.Code) {
			list = append(list, f.Code)
		}
	}
	return list
}

// environment is that of somebody who has the plugin.
func environment(c *testcluster.Cluster) []string {
	bin, err := filepath.Abs(filepath.Join(root, "bin"))
	if err != nil {
		return nil
	}
	path := strings.Join([]string{bin, filepath.Dir(c.Kubectl), os.Getenv("PATH")}, string(os.PathListSeparator))
	return append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "PATH="+path)
}

// plugin runs `kubectl restartrules`, found by kubectl, and returns its exit code.
func plugin(t *testing.T, c *testcluster.Cluster, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testcluster.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Kubectl, append([]string{"restartrules"}, args...)...)
	cmd.Env = environment(c)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), code
}

// check runs `kubectl restartrules check`.
func check(t *testing.T, c *testcluster.Cluster, args ...string) *said {
	t.Helper()
	stdout, stderr, code := plugin(t, c, append([]string{"check", "-o", "json"}, args...)...)
	s := &said{exit: code}
	require.NoError(t, json.Unmarshal([]byte(stdout), s), "%s%s", stdout, stderr)
	return s
}

// finds waits until the check finds these codes and no others, and returns what it says.
func finds(t *testing.T, c *testcluster.Cluster, codes ...string) *said {
	t.Helper()
	return findsThat(t, c, "", codes...)
}

// findsThat is finds for a first finding with this text in it.
func findsThat(t *testing.T, c *testcluster.Cluster, text string, codes ...string) *said {
	t.Helper()
	var s *said
	err := testcluster.Eventually(t.Context(), func() (bool, error) {
		s = check(t, c)
		return slices.Equal(s.codes(), codes) && (text == "" || strings.Contains(s.Findings[0].What+s.Findings[0].Why, text)), nil
	})
	require.NoError(t, err, "wanted %v %q: %+v", codes, text, s)
	require.Empty(t, s.LeftOut)
	if len(codes) == 0 {
		require.Zero(t, s.exit)
		return s
	}
	require.Equal(t, 1, s.exit)
	stdout, _, _ := plugin(t, c, "check")
	t.Logf("kubectl restartrules check\n%s", stdout)
	return s
}

// shell types a command, as a finding says it.
func shell(t *testing.T, c *testcluster.Cluster, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), testcluster.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
	cmd.Dir, cmd.Env = root, environment(c)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, out)
}

// reinstall applies again what was installed, and waits until it is rolled out.
func reinstall(t *testing.T, c *testcluster.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), testcluster.Patience)
	defer cancel()
	require.NoError(t, c.Apply(ctx, manifests))
}
