//go:build e2e

package restartall

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
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
	root     = "../.."
	appImage = "localhost/restartrules/app:dev"
	// recordsRoot is a directory of the nodes, and, as they are here, of this machine.
	recordsRoot = "/tmp/restartrules-restartall"

	// patience is how long something may take that should happen at once: the machine may be busy.
	patience  = 3 * time.Minute
	lookAgain = 200 * time.Millisecond
)

// testCluster is a cluster that is up.
type testCluster struct {
	*install.Cluster
	name   string
	client *kubernetes.Clientset
}

// native and ours are the two clusters, brought up when they are first asked for. The native one is a 1.36, which restarts all
// containers by default: a kubelet of 1.35 stalls for more than a minute where nothing in the Pod is left to run.
var (
	native = sync.OnceValues(func() (*testCluster, error) {
		return bringUp(node.Options{Name: nativeName, Version: nativeVersion, FeatureGates: node.Gates{}}, (*install.Cluster).LoadImages)
	})
	ours = sync.OnceValues(func() (*testCluster, error) {
		return bringUp(node.Options{Name: oursName}, (*install.Cluster).Install)
	})
)

const (
	nativeName, oursName = "ra-native", "ra-off"
	nativeVersion        = "1.36.3"
)

// TestMain takes the clusters down at the end. KEEP=1 keeps them up.
func TestMain(m *testing.M) {
	code := m.Run()
	if fromSource() && os.Getenv("KEEP") == "" {
		if err := errors.Join(takeDown(nativeName), takeDown(oursName)); err != nil {
			fmt.Fprintln(os.Stderr, "restartall:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func fromSource() bool { return os.Getenv(install.ClusterEnv) != "existing" }

// onlyFromSource skips a test where no cluster is made.
func onlyFromSource(t *testing.T) {
	t.Helper()
	if !fromSource() {
		t.Skip("needs clusters from source: one with, one without RestartAllContainers, and their nodes' files here")
	}
}

// bringUp makes the cluster unless it is up, and loads what it needs.
func bringUp(o node.Options, load func(*install.Cluster, context.Context) error) (*testCluster, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o.Out = os.Stderr
	local, err := node.Up(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &testCluster{Cluster: install.At(local, root), name: o.Name}
	if err := load(c.Cluster, ctx); err != nil {
		return nil, err
	}
	c.client, err = c.Client()
	return c, err
}

// takeDown ends a cluster, if it is there.
func takeDown(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// The records last: what runs on the node makes their directories again.
	return errors.Join(node.Down(ctx, name, os.Stderr), os.RemoveAll(filepath.Join(recordsRoot, name)))
}

// newNamespace makes a namespace that has opted in, ready for Pods, and a directory for its records. Both are removed when the
// test is over.
func (c *testCluster) newNamespace(t *testing.T) (namespace, dir string) {
	t.Helper()
	made, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "restartall-", Labels: map[string]string{api.InjectLabel: api.InjectEnabled},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	dir = filepath.Join(recordsRoot, c.name, made.Name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, c.client.CoreV1().Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{}))
		require.NoError(t, os.RemoveAll(dir))
	})
	require.NoError(t, eventually(t.Context(), func() (bool, error) {
		_, err := c.client.CoreV1().ServiceAccounts(made.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil, nil
	}))
	return made.Name, dir
}

// eventually looks until the condition holds, or fails.
func eventually(ctx context.Context, condition func() (bool, error)) error {
	err := wait.PollUntilContextTimeout(ctx, lookAgain, patience, true, func(context.Context) (bool, error) { return condition() })
	if wait.Interrupted(err) {
		return fmt.Errorf("not within %s", patience)
	}
	return err
}
