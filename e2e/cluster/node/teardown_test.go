package node

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMountsBelow(t *testing.T) {
	const mounts = `proc /proc proc rw 0 0
tmpfs /state/test/kubelet/pods/1/volumes/a\040b tmpfs rw 0 0
overlay /state/test/containerd/state/rootfs overlay rw 0 0
tmpfs /state/test2/kubelet tmpfs rw 0 0

`
	require.Equal(t, []string{"/state/test/kubelet/pods/1/volumes/a b", "/state/test/containerd/state/rootfs"}, mountsBelow(mounts, "/state/test"))
}

func TestIsShim(t *testing.T) {
	c := &Cluster{Name: "test", dir: "/state/test"}
	require.True(t, c.isShim([]string{"/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "1", "-address", "/state/test/containerd.sock"}))
	require.False(t, c.isShim([]string{"/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-address", "/state/test2/containerd.sock"}))
	require.False(t, c.isShim([]string{"/bin/containerd-shim-runc-v2", "-address"}))
	require.False(t, c.isShim([]string{"grep", "-address", "/state/test/containerd.sock"}))
	require.False(t, c.isShim(nil))
}

func TestOwns(t *testing.T) {
	c := &Cluster{Name: "test", dir: "/state/test"}
	require.True(t, c.owns([]string{"/cache/bin/kubelet", "--config=/state/test/kubelet.yaml"}, "kubelet"))
	require.True(t, c.owns([]string{"nsenter", "--net=/run/netns/rr-test", "--", "/cache/bin/kubelet", "--config=/state/test/kubelet.yaml"}, "kubelet"))
	require.False(t, c.owns([]string{"/cache/bin/kubelet", "--config=/state/test2/kubelet.yaml"}, "kubelet"))
	require.False(t, c.owns([]string{"/cache/bin/etcd", "--data-dir=/state/test/etcd"}, "kubelet"))
	require.False(t, c.owns(nil, "kubelet"))
}

func TestProcessOfAnotherIsNotOurs(t *testing.T) {
	c := &Cluster{Name: "test", dir: t.TempDir()}
	require.NoError(t, os.Mkdir(c.path("pid"), 0o755))
	require.Nil(t, c.process("kubelet"), "no pid file")
	require.NoError(t, os.WriteFile(c.pidFile("kubelet"), []byte(strconv.Itoa(os.Getpid())), 0o600))
	require.Nil(t, c.process("kubelet"), "the pid has been given to this test")
	require.NoError(t, c.stop(t.Context(), "kubelet"))
	require.NoFileExists(t, c.pidFile("kubelet"))
}

func TestDeleteDeadSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	require.NoError(t, deleteDeadSocket(path), "there is none")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	require.NoError(t, deleteDeadSocket(path))
	require.FileExists(t, path)
	require.NoError(t, listener.Close())
	require.NoError(t, deleteDeadSocket(path))
	require.NoFileExists(t, path)
}

func TestInstallCommand(t *testing.T) {
	require.Equal(t, "run: apt-get install -y --no-install-recommends runc containernetworking-plugins iproute2 util-linux busybox-static", installCommand("apt-get", requirements))
	require.Equal(t, "run: dnf install -y runc containernetworking-plugins iproute util-linux busybox", installCommand("dnf", requirements))
	require.Equal(t, "install them with the distribution's package manager", installCommand("", requirements))
}

func FuzzMountsBelow(f *testing.F) {
	f.Add("tmpfs /state/a\\040b tmpfs rw 0 0\n", "/state")
	f.Fuzz(func(t *testing.T, text, dir string) {
		for _, target := range mountsBelow(text, dir) {
			require.Contains(t, target, dir+"/")
		}
	})
}
