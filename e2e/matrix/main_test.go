//go:build e2e

// Package matrix are the tests that need several clusters from source: what we do side by side with what
// Kubernetes does itself, and every workload kind on every API server. KEEP=1 keeps the clusters up.
package matrix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/install"
	"restartrules.dev/pkg/api"
)

const (
	root     = "../.."
	appImage = "localhost/restartrules/app:dev"
	// records is a directory of the nodes, and, as they are here, of this machine.
	records = "/tmp/restartrules-matrix"

	// patience is how long something may take that should happen at once: the machine may be busy.
	patience  = 3 * time.Minute
	lookAgain = 300 * time.Millisecond
)

// testCluster is a cluster that is up.
type testCluster struct {
	*install.Cluster
	name   string
	client *kubernetes.Clientset
}

func TestMain(m *testing.M) {
	code := m.Run()
	if !fromSource() {
		os.Exit(code)
	}
	if err := takeDown(theGatesOff); err != nil {
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
	t.Cleanup(func() { require.NoError(t, takeDown(o.Name)) })
	c, err := bringUp(o, product)
	require.NoError(t, err)
	return c
}

func fromSource() bool { return os.Getenv(install.ClusterEnv) != "existing" }

// onlyFromSource skips a test where no cluster is made.
func onlyFromSource(t *testing.T) {
	t.Helper()
	if !fromSource() {
		t.Skip("needs clusters from source: several versions and feature gates, and their nodes' files here")
	}
}

// bringUp makes the cluster unless it is up, and loads the images; with product it installs all that we are.
func bringUp(o node.Options, product bool) (*testCluster, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	began := time.Now()
	o.Out = os.Stderr
	local, err := node.Up(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &testCluster{Cluster: install.At(local, root), name: o.Name}
	if product {
		err = c.Install(ctx)
	} else {
		err = c.LoadImages(ctx)
	}
	if err != nil {
		return nil, err
	}
	if c.client, err = c.Client(); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%5.1fs cluster %s is ready for tests\n", time.Since(began).Seconds(), local)
	return c, nil
}

// takeDown ends a cluster, if it is there and is not to be kept.
func takeDown(name string) error {
	if os.Getenv("KEEP") != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// The records last: what runs on the node makes their directories again.
	return errors.Join(node.Down(ctx, name, os.Stderr), os.RemoveAll(filepath.Join(records, name)))
}

// kubectl runs kubectl with the manifest on stdin.
func (c *testCluster) kubectl(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return c.RunKubectl(ctx, stdin, args...)
}

// newNamespace makes a namespace that has opted in, ready for Pods, and a directory for its records. Both are
// removed when the test is over.
func (c *testCluster) newNamespace(t *testing.T, labels map[string]string) (namespace, dir string) {
	t.Helper()
	made, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "matrix-", Labels: labels},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	dir = filepath.Join(records, c.name, made.Name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, c.client.CoreV1().Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{}))
		require.NoError(t, os.RemoveAll(dir))
	})
	eventually(t, "the namespace has a service account", func() bool {
		_, err := c.client.CoreV1().ServiceAccounts(made.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
	return made.Name, dir
}

// optedIn are the labels of a namespace whose Pods are injected.
var optedIn = map[string]string{api.InjectLabel: api.InjectEnabled}

// eventually looks until the condition holds. The condition may fail the test.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), lookAgain, patience, true, func(context.Context) (bool, error) { return condition(), nil })
	require.NoError(t, err, what)
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
