//go:build e2e

package bench

import (
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

// kubernetesVersion is the first whose restarts of the whole Pod don't stall.
const kubernetesVersion = "1.36.3"

// TestCluster measures both sides on one node, whose Kubernetes has its own gates. The webhook emulates all the same, in the
// namespace that has opted in.
func TestCluster(t *testing.T) {
	testcluster.Need(t, "their nodes' files and processes are here")
	o := node.Options{Name: "bench", Version: kubernetesVersion, FeatureGates: node.Gates{}}
	up := sync.OnceValues(func() (*testcluster.Cluster, error) {
		t.Cleanup(func() { require.NoError(t, errors.Join(testcluster.Down(o.Name), os.RemoveAll(stampsRoot))) })
		return testcluster.Up(o, (*install.Cluster).Install)
	})
	on := func(side, row string, measure func(*testing.T, *results.Part, *testcluster.Cluster)) {
		part(t, side, row, func(t *testing.T) {
			c, err := up()
			require.NoError(t, err)
			makeNamespaces(t, c)
		}, func(t *testing.T, p *results.Part) {
			c, err := up()
			require.NoError(t, err)
			measure(t, p, c)
		})
	}
	on(results.Ours, "restarts", measureOurRestarts)
	on(results.Native, "restarts", measureNativeRestarts)
	on(results.Ours, "tasks", measureOurTasks)
	on(results.Native, "tasks", measureNativeTasks)
	on(results.Ours, "start", measureStartUp)
	on(results.Ours, "gang", measureOurGangs)
	on(results.Native, "gang", measureNativeGangs)
	on(results.Ours, "footprint", measureInPod) // the last: it turns reports on
}
