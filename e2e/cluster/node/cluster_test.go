//go:build e2e

package node

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCluster(t *testing.T) {
	ctx := t.Context()
	o := Options{Name: "selftest", Out: t.Output()}
	c, err := Up(ctx, o)
	require.NoError(t, err)
	pid := func(component string) int {
		t.Helper()
		p := c.process(component)
		require.NotNil(t, p, component)
		defer func() { require.NoError(t, p.Release()) }()
		return p.Pid
	}
	apiServer, kubelet := pid("kube-apiserver"), pid("kubelet")

	c, err = Up(ctx, o)
	require.NoError(t, err)
	require.Equal(t, apiServer, pid("kube-apiserver"), "a healthy cluster is left as it is")

	require.NoError(t, c.RestartKubelet(ctx))
	require.NotEqual(t, kubelet, pid("kubelet"))
	require.Equal(t, apiServer, pid("kube-apiserver"))

	_, err = c.kubectl(ctx, "run", "box", "--image="+BusyboxImage, "--image-pull-policy=Never", "--", "sleep", "3600")
	require.NoError(t, err)
	_, err = c.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=1m", "pod/box")
	require.NoError(t, err)

	// Without containerd nobody but us ends the Pod.
	require.NoError(t, syscall.Kill(pid("containerd"), syscall.SIGKILL))
	require.Eventually(t, func() bool { return c.process("containerd") == nil }, stopGrace, pollInterval)
	c, err = Up(ctx, o)
	require.NoError(t, err)
	require.NotEqual(t, apiServer, pid("kube-apiserver"), "a broken cluster is made anew")

	require.NoError(t, c.Down(ctx))
	require.NoDirExists(t, c.dir)
	require.NoError(t, c.checkUnused())
	mounts, err := os.ReadFile("/proc/self/mounts")
	require.NoError(t, err)
	require.Empty(t, mountsBelow(string(mounts), c.dir))
	require.NoError(t, c.Down(ctx), "there is none: nothing to do")
}
