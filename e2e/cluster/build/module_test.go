package build

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrapper(t *testing.T) {
	const upstream = `{
		"Go": "1.25.0",
		"Godebug": [{"Key": "default", "Value": "go1.25"}],
		"Require": [
			{"Path": "k8s.io/api", "Version": "v0.0.0"},
			{"Path": "k8s.io/utils", "Version": "v0.0.0-20250820121507-0af2bda4dd1d"},
			{"Path": "github.com/spf13/cobra", "Version": "v1.10.0"},
			{"Path": "k8s.io/kubelet", "Version": "v0.0.0"}
		]}`
	var file moduleFile
	require.NoError(t, json.Unmarshal([]byte(upstream), &file))
	require.Equal(t, `module restartrules.dev/build/kubernetes

go 1.25.0

godebug default=go1.25

require k8s.io/kubernetes v1.35.4

replace k8s.io/api => k8s.io/api v0.35.4

replace k8s.io/kubelet => k8s.io/kubelet v0.35.4
`, wrapper(kubernetes("1.35.4"), file))
}

func TestWrapperWithoutStagingModules(t *testing.T) {
	file := moduleFile{Go: "1.24"}
	file.Require = []struct{ Path, Version string }{{"go.etcd.io/etcd/api/v3", "v3.6.5"}}
	require.Equal(t, `module restartrules.dev/build/etcd

go 1.24

require go.etcd.io/etcd/server/v3 v3.6.5
`, wrapper(etcd(), file))
}

func TestKubernetesSaysItsVersion(t *testing.T) {
	flags := kubernetes("1.36.3").ldflags
	require.Contains(t, flags, "-X k8s.io/component-base/version.gitVersion=v1.36.3")
	require.Contains(t, flags, "-X k8s.io/client-go/pkg/version.gitMinor=36")
}

func TestCheckVersion(t *testing.T) {
	for _, good := range []string{"1.35.4", "1.9.0", "1.100.12"} {
		require.NoError(t, CheckVersion(good), good)
	}
	for _, bad := range []string{"", "1.35", "v1.35.4", "2.0.0", "1.35.4-rc.1", "1.35.04", "1.35.4/..", "1.35.4\n"} {
		require.ErrorContains(t, CheckVersion(bad), "want 1.MINOR.PATCH", bad)
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv(CacheEnv, "/var/cache/rules")
	dir, err := CacheDir()
	require.NoError(t, err)
	require.Equal(t, "/var/cache/rules", dir)
}
