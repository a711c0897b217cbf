// Package node runs clusters of one node each: Kubernetes, etcd and containerd as processes of the host, in a network
// namespace, a cgroup and a state directory of their own. All of it needs root on Linux.
package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"restartrules.dev/e2e/cluster/build"
)

// Defaults of Options.
const (
	DefaultName    = "restartrules"
	DefaultVersion = "1.35.4"
	DefaultWait    = 3 * time.Minute
)

// NodeName is the name of the only Node.
const NodeName = "node"

// maxSocketPath is the length of sun_path without the final zero.
const maxSocketPath = 107

var namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$`)

// Options say which cluster Up makes. The zero value means the defaults.
type Options struct {
	Name         string        // one cluster per name
	Version      string        // of Kubernetes, like 1.35.4
	FeatureGates Gates         // of all components; nil: DefaultGates(Version)
	Wait         time.Duration // how long the cluster may take to be ready, not counting the build
	Out          io.Writer     // what is done, a line each; nil: nothing is said
}

func (o Options) withDefaults() (Options, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if o.Version == "" {
		o.Version = DefaultVersion
	}
	if err := build.CheckVersion(o.Version); err != nil {
		return o, err
	}
	if o.FeatureGates == nil {
		o.FeatureGates = DefaultGates(o.Version)
	}
	if o.Wait == 0 {
		o.Wait = DefaultWait
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	return o, nil
}

// A Cluster is one that Up made. Its fields are what is kept of it between processes.
type Cluster struct {
	Name         string
	Version      string
	FeatureGates Gates
	Index        int // of its subnet
	Binaries     build.Binaries

	dir string
}

// ErrNotFound is wrapped by Open's error when there is no cluster of that name.
var ErrNotFound = errors.New("no such cluster")

// Open returns the cluster of that name, healthy or not.
func Open(name string) (*Cluster, error) {
	dir, err := stateDir(name)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir}
	text, err := os.ReadFile(c.path("cluster.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cluster %s: %w: make it with `go run ./e2e/cluster up --name=%s`", name, ErrNotFound, name)
	}
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("cluster %s: %s: %w", name, c.path("cluster.json"), err)
	}
	return c, nil
}

func stateDir(name string) (string, error) {
	if !namePattern.MatchString(name) {
		return "", fmt.Errorf("cluster name %q: want at most 32 lower case letters, digits and dashes", name)
	}
	cache, err := build.CacheDir()
	if err != nil {
		return "", err
	}
	c := &Cluster{dir: filepath.Join(cache, "clusters", name)}
	// containerd adds this to the name of its socket.
	if socket := c.socket() + ".ttrpc"; len(socket) > maxSocketPath {
		return "", fmt.Errorf("cluster name %q: the path %s is too long for a socket; set %s to a shorter directory", name, socket, build.CacheEnv)
	}
	return c.dir, nil
}

// Kubeconfig is the path of the administrator's kubeconfig. It is good for the network namespace of the host.
func (c *Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// Kubectl is the path of a kubectl of the cluster's version.
func (c *Cluster) Kubectl() string { return filepath.Join(c.Binaries.Kubernetes, "kubectl") }

// LogFile is the path of the log of a component, like kubelet.
func (c *Cluster) LogFile(component string) string { return c.path("log", component+".log") }

// path is a path in the state directory.
func (c *Cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

func (c *Cluster) socket() string { return c.path("containerd.sock") }

func (c *Cluster) subnet() subnet { return subnetOf(c.Index) }

// namespace names the network namespace, the cgroup and the CNI network.
func (c *Cluster) namespace() string { return "rr-" + c.Name }

func (c *Cluster) is(o Options) bool {
	return c.Version == o.Version && c.FeatureGates.String() == o.FeatureGates.String()
}

func (c *Cluster) String() string {
	gates := c.FeatureGates.String()
	if gates == "" {
		gates = "Kubernetes' default feature gates"
	}
	return strings.Join([]string{c.Name, c.Version, gates}, ", ")
}

func (c *Cluster) save() error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(c.path("cluster.json"), append(text, '\n'), 0o644)
}
