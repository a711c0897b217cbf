package build

import (
	_ "embed"
	"fmt"
	"path"
	"strings"
)

// A component is what one wrapper module builds.
type component struct {
	name     string // of its directory in the cache, before the version
	module   string
	version  string // with the leading v
	packages []string
	main     string // Go code of a command of the wrapper module itself, whose package is "."
	output   string // name of the binary where it isn't the package's; only with one package
	tags     string
	ldflags  string
}

const (
	etcdVersion       = "v3.6.5"
	containerdVersion = "v2.2.1"
	registryVersion   = "v3.1.2"
)

func kubernetes(version string) component {
	const module = "k8s.io/kubernetes"
	c := component{name: "kubernetes", module: module, version: "v" + version, ldflags: "-s -w"}
	for _, command := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"} {
		c.packages = append(c.packages, path.Join(module, "cmd", command))
	}
	// Without these the API server calls itself v0.0.0-master (see hack/lib/version.sh upstream).
	minor := strings.Split(version, ".")[1]
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		c.ldflags += fmt.Sprintf(" -X %[1]s.gitVersion=v%[2]s -X %[1]s.gitMajor=1 -X %[1]s.gitMinor=%[3]s", pkg, version, minor)
	}
	return c
}

func etcd() component {
	const module = "go.etcd.io/etcd/server/v3"
	return component{name: "etcd", module: module, version: etcdVersion, packages: []string{module}, output: "etcd", ldflags: "-s -w"}
}

func containerd() component {
	const module = "github.com/containerd/containerd/v2"
	return component{
		name: "containerd", module: module, version: containerdVersion,
		packages: []string{module + "/cmd/containerd", module + "/cmd/containerd-shim-runc-v2", module + "/cmd/ctr"},
		tags:     "no_btrfs no_devmapper no_zfs no_aufs",
		ldflags:  "-s -w -X " + module + "/version.Version=" + containerdVersion,
	}
}

// registryMain has of the registry's own command what tests need. That one links what every cloud stores files with: it
// takes four times the modules, and builds for twice as long.
//
//go:embed registry.go.txt
var registryMain string

func registry() component {
	return component{
		name: "registry", module: "github.com/distribution/distribution/v3", version: registryVersion,
		packages: []string{"."}, main: registryMain, output: "registry", ldflags: "-s -w",
	}
}

// moduleFile is the part that we need of what `go mod edit -json` prints.
type moduleFile struct {
	Go      string
	Godebug []struct{ Key, Value string }
	Require []struct{ Path, Version string }
}

// wrapper is the go.mod of a module that builds packages of c's module, whose own go.mod is upstream, or a command of its
// own made of them.
//
// `go install module@version` is no way to do this: it refuses a module with replace directives. Kubernetes requires
// its staging modules at v0.0.0 and replaces them by directories; published they are v0.MINOR.PATCH.
func wrapper(c component, upstream moduleFile) string {
	var b strings.Builder
	fmt.Fprintf(&b, "module restartrules.dev/build/%s\n\ngo %s\n", c.name, upstream.Go)
	for _, setting := range upstream.Godebug {
		fmt.Fprintf(&b, "\ngodebug %s=%s\n", setting.Key, setting.Value)
	}
	fmt.Fprintf(&b, "\nrequire %s %s\n", c.module, c.version)
	_, minorAndPatch, _ := strings.Cut(c.version, ".")
	for _, required := range upstream.Require {
		if required.Version == "v0.0.0" {
			fmt.Fprintf(&b, "\nreplace %[1]s => %[1]s v0.%[2]s\n", required.Path, minorAndPatch)
		}
	}
	return b.String()
}
