// Package testcluster brings up clusters from source for tests that need several, or one of their own, and
// takes them down.
package testcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
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
	// root is where the repository is, seen from the directory of a package of tests.
	root = "../.."
	// records is a directory of the nodes, and, as they are here, of this machine.
	records = "/tmp/restartrules-records"
	// Patience is how long something may take that should happen at once: the machine may be busy.
	Patience  = 3 * time.Minute
	lookAgain = 200 * time.Millisecond
)

// OptedIn are the labels of a namespace whose Pods are injected.
var OptedIn = map[string]string{api.InjectLabel: api.InjectEnabled}

// Cluster is a cluster that is up.
type Cluster struct {
	*install.Cluster
	Name string
	API  *kubernetes.Clientset
}

// Need skips a test where no cluster is made, and says why it needs one.
func Need(t *testing.T, why string) {
	t.Helper()
	if os.Getenv(install.ClusterEnv) == "existing" {
		t.Skip("needs clusters from source: " + why)
	}
}

// Up makes the cluster unless it is up, and puts in what load puts in: install's Install or LoadImages. An
// interrupt ends it.
func Up(o node.Options, load func(*install.Cluster, context.Context) error) (*Cluster, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o.Out = os.Stderr
	local, err := node.Up(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Cluster: install.At(local, root), Name: o.Name}
	if err := load(c.Cluster, ctx); err != nil {
		return nil, err
	}
	c.API, err = c.Client()
	return c, err
}

// Down ends clusters, those that are there, and removes their records. KEEP=1 keeps them.
func Down(names ...string) error {
	if os.Getenv("KEEP") != "" || os.Getenv(install.ClusterEnv) == "existing" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var errs []error
	for _, name := range names {
		// The records last: what runs on the node makes their directories again.
		errs = append(errs, node.Down(ctx, name, os.Stderr), os.RemoveAll(filepath.Join(records, name)))
	}
	return errors.Join(errs...)
}

// NewNamespace makes a namespace with these labels, ready for Pods, and a directory for what its Pods
// record. Both are removed when the test is over.
func (c *Cluster) NewNamespace(t *testing.T, labels map[string]string) (namespace, dir string) {
	t.Helper()
	made, err := c.API.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Labels: labels},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	dir = filepath.Join(records, c.Name, made.Name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		require.NoError(t, c.API.CoreV1().Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{}))
		require.NoError(t, os.RemoveAll(dir))
	})
	require.NoError(t, Eventually(t.Context(), func() (bool, error) {
		_, err := c.API.CoreV1().ServiceAccounts(made.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil, nil
	}))
	return made.Name, dir
}

// Eventually looks until the condition holds; it fails with the condition's error, or after Patience.
func Eventually(ctx context.Context, condition func() (bool, error)) error {
	err := wait.PollUntilContextTimeout(ctx, lookAgain, Patience, true, func(context.Context) (bool, error) { return condition() })
	if wait.Interrupted(err) {
		return fmt.Errorf("not within %s: %w", Patience, err)
	}
	return err
}
