package node

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"restartrules.dev/e2e/cluster/build"
)

// rendered returns the text of a template for a cluster with that version and gates.
func rendered(t *testing.T, name, version string, gates Gates) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	c := &Cluster{Name: "test", Version: version, FeatureGates: gates, Index: 3, dir: "/state/test"}
	require.NoError(t, render(file, name, c.configData("/cni"), 0o600))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return text
}

func TestKubeletConfig(t *testing.T) {
	var config map[string]any
	require.NoError(t, yaml.UnmarshalStrict(rendered(t, "kubelet.yaml.tmpl", "1.35.4", Gates{"B": false, "A": true}), &config))
	require.Equal(t, map[string]any{"A": true, "B": false}, config["featureGates"])
	require.Equal(t, "unix:///state/test/containerd.sock", config["containerRuntimeEndpoint"])
	require.Equal(t, "/rr-test", config["cgroupRoot"])
	require.Equal(t, false, config["failCgroupV1"])

	config = nil
	require.NoError(t, yaml.UnmarshalStrict(rendered(t, "kubelet.yaml.tmpl", "1.30.14", nil), &config))
	require.NotContains(t, config, "failCgroupV1", "the field came with 1.31")
	require.NotContains(t, config, "featureGates")
}

func TestCNIConfig(t *testing.T) {
	var config struct {
		Name    string
		Plugins []struct {
			IPAM struct {
				Ranges [][]struct{ Subnet netip.Prefix }
			}
		}
	}
	require.NoError(t, json.Unmarshal(rendered(t, "cni.conflist.tmpl", "1.35.4", nil), &config))
	require.Equal(t, "rr-test", config.Name)
	require.Equal(t, "10.63.1.0/24", config.Plugins[0].IPAM.Ranges[0][0].Subnet.String())
}

func TestWriteCredentials(t *testing.T) {
	c := &Cluster{Name: "test", Index: 3, dir: t.TempDir()}
	require.NoError(t, os.Mkdir(c.path("pki"), 0o755))
	require.NoError(t, c.writeCredentials())
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	require.NoError(t, err)
	require.Equal(t, "https://10.63.0.1:443", config.Host)
	require.NotEmpty(t, config.CAData)
	require.NotEmpty(t, config.CertData)
	info, err := os.Stat(c.Kubeconfig())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestStateDir(t *testing.T) {
	t.Setenv(build.CacheEnv, "/cache")
	dir, err := stateDir("other-2")
	require.NoError(t, err)
	require.Equal(t, "/cache/clusters/other-2", dir)
	for _, bad := range []string{"", "A", "-a", "a-", "a/b", "..", "a b", "a123456789012345678901234567890123"} {
		_, err := stateDir(bad)
		require.ErrorContains(t, err, "cluster name", bad)
	}
	t.Setenv(build.CacheEnv, "/"+strings.Repeat("long", 25))
	_, err = stateDir("a")
	require.ErrorContains(t, err, "too long for a socket")
}

func TestOpen(t *testing.T) {
	t.Setenv(build.CacheEnv, t.TempDir())
	_, err := Open("test")
	require.ErrorIs(t, err, ErrNotFound)

	dir, err := stateDir("test")
	require.NoError(t, err)
	saved := &Cluster{Name: "test", Version: "1.35.4", FeatureGates: Gates{"A": true}, Index: 4, Binaries: build.Binaries{Kubernetes: "/k"}, dir: dir}
	require.NoError(t, saved.save())
	opened, err := Open("test")
	require.NoError(t, err)
	require.Equal(t, saved, opened)
	require.Equal(t, "/k/kubectl", opened.Kubectl())

	all, err := List()
	require.NoError(t, err)
	require.Equal(t, []*Cluster{saved}, all)
}
