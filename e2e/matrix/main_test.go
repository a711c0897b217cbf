//go:build e2e

// Package matrix are the tests that need several clusters from source: what we do side by side with what
// Kubernetes does itself, and every workload kind on every API server. KEEP=1 keeps the clusters up.
package matrix

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/install"
	"restartrules.dev/e2e/testcluster"
)

const (
	root     = "../.."
	appImage = "localhost/restartrules/app:dev"
)

// testCluster is a cluster that is up.
type testCluster struct{ *testcluster.Cluster }

func TestMain(m *testing.M) {
	code := m.Run()
	if err := testcluster.Down(theGatesOff); err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		code = 1
	}
	os.Exit(code)
}

// theGatesOff names the cluster that most tests share: 1.35 with the gates off, and with our webhook.
const theGatesOff = "matrix-off"

var openGatesOff = sync.OnceValues(func() (*testCluster, error) {
	return bringUp(node.Options{Name: theGatesOff}, true)
})

func gatesOff(t *testing.T) *testCluster {
	t.Helper()
	onlyFromSource(t)
	c, err := openGatesOff()
	require.NoError(t, err)
	return c
}

// newCluster brings up a cluster for one test.
func newCluster(t *testing.T, o node.Options, product bool) *testCluster {
	t.Helper()
	onlyFromSource(t)
	t.Cleanup(func() { require.NoError(t, testcluster.Down(o.Name)) })
	c, err := bringUp(o, product)
	require.NoError(t, err)
	return c
}

// onlyFromSource skips a test where no cluster is made.
func onlyFromSource(t *testing.T) {
	t.Helper()
	testcluster.Need(t, "several versions and feature gates, and their nodes' files here")
}

// bringUp makes the cluster unless it is up, and loads the images; with product it installs all that we are.
func bringUp(o node.Options, product bool) (*testCluster, error) {
	began, load := time.Now(), (*install.Cluster).LoadImages
	if product {
		load = (*install.Cluster).Install
	}
	c, err := testcluster.Up(o, load)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%5.1fs cluster %s is ready for tests\n", time.Since(began).Seconds(), c.Local)
	return &testCluster{c}, nil
}

// kubectl runs kubectl with the manifest on stdin.
func (c *testCluster) kubectl(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testcluster.Patience)
	defer cancel()
	return c.RunKubectl(ctx, stdin, args...)
}

// eventually looks until the condition holds. The condition may fail the test.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) { return condition(), nil }), what)
}

// table is text in columns.
func table(rows [][]string) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a strings.Builder has no errors
	return text.String()
}
