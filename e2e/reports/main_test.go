//go:build e2e

package reports

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/install"
	"restartrules.dev/e2e/testcluster"
)

const (
	clusterName = "reports"
	manifests   = "e2e/reports/manifests"
	appImage    = "localhost/restartrules/app:dev"
	system      = "restartrules-system"
	deployment  = "restartrules-webhook"
	portName    = "webhook" // of the Service
	metricsPort = "8080"    // of the webhook's Pod
	// patience is how long what is reported may take to be seen: the machine may be busy.
	patience = 90 * time.Second
)

// cluster is the cluster, with reports.
type cluster struct {
	*testcluster.Cluster
	service *proxy
}

// up brings it up when it is first asked for.
var up = sync.OnceValues(func() (*cluster, error) { return bringUp(node.Options{Name: clusterName}) })

func bringUp(o node.Options) (*cluster, error) {
	c, err := testcluster.Up(o, func(c *install.Cluster, ctx context.Context) error { return c.InstallFrom(ctx, manifests) })
	if err != nil {
		return nil, err
	}
	service, err := newProxy(context.Background(), c.API)
	if err != nil {
		return nil, err
	}
	services = append(services, service)
	return &cluster{c, service}, nil
}

// services are those of the clusters that are up.
var services []*proxy

// TestMain takes the cluster down at the end. KEEP=1 keeps it up.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, service := range services {
		_ = service.close() // what it listened at goes with the process, too
	}
	if err := testcluster.Down(clusterName); err != nil {
		fmt.Fprintln(os.Stderr, "reports:", err)
		code = 1
	}
	os.Exit(code)
}

func theCluster(t *testing.T) *cluster {
	t.Helper()
	testcluster.Need(t, "the webhook with reports, and the node's processes and files here")
	c, err := up()
	require.NoError(t, err)
	return c
}
