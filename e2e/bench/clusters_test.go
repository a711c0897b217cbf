//go:build e2e

package bench

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/install"
	"restartrules.dev/e2e/testcluster"
)

// onCluster makes a cluster when a part first wants it, and takes it down when the test is over.
func onCluster(t *testing.T, o node.Options, load func(*install.Cluster, context.Context) error) func(func(*testing.T, *results.Part, *testcluster.Cluster)) func(*testing.T, *results.Part) {
	testcluster.Need(t, "their nodes' files and processes are here")
	up := sync.OnceValues(func() (*testcluster.Cluster, error) {
		t.Cleanup(func() { require.NoError(t, errors.Join(testcluster.Down(o.Name), os.RemoveAll(stampsRoot))) })
		return testcluster.Up(o, load)
	})
	return func(measure func(*testing.T, *results.Part, *testcluster.Cluster)) func(*testing.T, *results.Part) {
		return func(t *testing.T, p *results.Part) {
			c, err := up()
			require.NoError(t, err)
			makeNamespaces(t, c)
			settle(t, *atRest)
			measure(t, p, c)
		}
	}
}

// TestOurs measures on a cluster without the gates.
func TestOurs(t *testing.T) {
	on := onCluster(t, node.Options{Name: "bench-off"}, (*install.Cluster).Install)
	part(t, results.Ours, "restarts", on(measureOurRestarts))
	part(t, results.Ours, "tasks", on(measureOurTasks))
	part(t, results.Ours, "start", on(measureStartUp))
	part(t, results.Ours, "gang", on(func(t *testing.T, p *results.Part, c *testcluster.Cluster) {
		measureGang(t, p, c, results.Ours, ourGangs, calmOurs)
	}))
	part(t, results.Ours, "footprint", on(measureInPod)) // the last: it turns reports on
}

// TestNative measures on a kubelet of 1.36, the first whose restarts of the whole Pod don't stall.
func TestNative(t *testing.T) {
	on := onCluster(t, node.Options{Name: "bench-native", Version: "1.36.3", FeatureGates: node.Gates{}}, (*install.Cluster).LoadImages)
	part(t, results.Native, "restarts", on(measureNativeRestarts))
	part(t, results.Native, "tasks", on(measureNativeTasks))
	part(t, results.Native, "gang", on(func(t *testing.T, p *results.Part, c *testcluster.Cluster) {
		measureGang(t, p, c, results.Native, nativeGangs, calmNative)
	}))
}
