//go:build e2e

package restartall

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/install"
	"restartrules.dev/e2e/testcluster"
)

const (
	root     = "../.."
	appImage = "localhost/restartrules/app:dev"
)

// native and ours are the two clusters, brought up when they are first asked for. The native one is a 1.36, which restarts all
// containers by default: a kubelet of 1.35 stalls for more than a minute where nothing in the Pod is left to run.
var (
	native = sync.OnceValues(func() (*testcluster.Cluster, error) {
		return testcluster.Up(node.Options{Name: nativeName, Version: nativeVersion, FeatureGates: node.Gates{}}, (*install.Cluster).LoadImages)
	})
	ours = sync.OnceValues(func() (*testcluster.Cluster, error) {
		return testcluster.Up(node.Options{Name: oursName}, (*install.Cluster).Install)
	})
)

const (
	nativeName, oursName = "ra-native", "ra-off"
	nativeVersion        = "1.36.3"
)

// TestMain takes the clusters down at the end. KEEP=1 keeps them up.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := testcluster.Down(nativeName, oursName); err != nil {
		fmt.Fprintln(os.Stderr, "restartall:", err)
		code = 1
	}
	os.Exit(code)
}

// onlyFromSource skips a test where no cluster is made.
func onlyFromSource(t *testing.T) {
	t.Helper()
	testcluster.Need(t, "one with, one without RestartAllContainers, and their nodes' files here")
}
