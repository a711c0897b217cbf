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
	// patience is how long what is reported may take to be seen: the machine may be busy.
	patience = 90 * time.Second
)

// cluster is the cluster, with reports.
type cluster struct {
	*testcluster.Cluster
	service *proxy
}

// up brings it up when it is first asked for.
var up = sync.OnceValues(func() (*cluster, error) {
	c, err := testcluster.Up(node.Options{Name: clusterName}, func(c *install.Cluster, ctx context.Context) error {
		return c.InstallFrom(ctx, manifests)
	})
	if err != nil {
		return nil, err
	}
	if service, err = newProxy(context.Background(), c.API); err != nil {
		return nil, err
	}
	return &cluster{c, service}, nil
})

// service is the cluster's, if it is up.
var service *proxy

// TestMain takes the cluster down at the end. KEEP=1 keeps it up.
func TestMain(m *testing.M) {
	code := m.Run()
	if service != nil {
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
