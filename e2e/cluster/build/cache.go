// Package build compiles the programs that a Kubernetes node consists of from their Go modules, and keeps them.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"restartrules.dev/e2e/cluster/lock"
)

// CacheEnv names the environment variable that says where binaries and clusters are kept.
const CacheEnv = "RESTARTRULES_CACHE"

// CacheDir is the absolute directory that binaries and clusters are kept in: what CacheEnv says, else
// restartrules in the user's cache directory. It need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w; set %s", err, CacheEnv)
	}
	return filepath.Join(dir, "restartrules"), nil
}

// Binaries says which directories hold the programs.
type Binaries struct {
	Kubernetes string // kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kubectl
	Etcd       string // etcd
	Containerd string // containerd, containerd-shim-runc-v2, ctr
}

var versionPattern = regexp.MustCompile(`^1\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)

// CheckVersion returns an error unless version is a Kubernetes release written like 1.35.4.
func CheckVersion(version string) error {
	if !versionPattern.MatchString(version) {
		return fmt.Errorf("version %q is not a Kubernetes release: want 1.MINOR.PATCH, like 1.35.4", version)
	}
	return nil
}

// Ensure returns the programs for a Kubernetes version (like 1.35.4), building what the cache lacks. A build takes
// minutes; what it does is written to out at least every ten seconds. Processes that build at the same time wait
// for each other.
func Ensure(ctx context.Context, version string, out io.Writer) (Binaries, error) {
	if err := CheckVersion(version); err != nil {
		return Binaries{}, err
	}
	var b Binaries
	for _, part := range []struct {
		dir *string
		component
	}{{&b.Etcd, etcd()}, {&b.Containerd, containerd()}, {&b.Kubernetes, kubernetes(version)}} {
		var err error
		if *part.dir, err = ensureCached(ctx, part.component, out); err != nil {
			return Binaries{}, err
		}
	}
	return b, nil
}

// EnsureRegistry returns the path of a program that is an OCI registry, building it as Ensure does if the cache lacks
// it. It takes the arguments of https://github.com/distribution/distribution, and ends with its standard input.
func EnsureRegistry(ctx context.Context, out io.Writer) (string, error) {
	c := registry()
	dir, err := ensureCached(ctx, c, out)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, c.output), nil
}

// ensureCached returns the directory of the cache that has the programs of c, which it builds if they are not there.
func ensureCached(ctx context.Context, c component, out io.Writer) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	goVersion, err := goOutput(ctx, "", "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	dir := c.directory(cache, goVersion)
	if err := ensure(ctx, cache, dir, c, out); err != nil {
		return "", fmt.Errorf("build %s %s: %w", c.name, c.version, err)
	}
	return dir, nil
}

// ensure builds c into dir, which appears only when it is complete.
func ensure(ctx context.Context, cache, dir string, c component, out io.Writer) error {
	if exists(dir) {
		return nil
	}
	held, err := lock.Acquire(ctx, filepath.Join(cache, "build.lock"), out)
	if err != nil {
		return err
	}
	defer held.Close()
	if exists(dir) {
		return nil
	}
	// One directory for all builds: what an interrupted one left is removed by the next.
	work := filepath.Join(cache, "build")
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := compile(ctx, work, c, out); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	return errors.Join(os.Rename(filepath.Join(work, "bin"), dir), os.RemoveAll(work))
}

// Cached reports whether the cache has that Kubernetes version already.
func Cached(ctx context.Context, version string) (bool, error) {
	cache, err := CacheDir()
	if err != nil {
		return false, err
	}
	goVersion, err := goOutput(ctx, "", "env", "GOVERSION")
	if err != nil {
		return false, err
	}
	return exists(kubernetes(version).directory(cache, goVersion)), nil
}

// directory is where the cache has the programs of c.
func (c component) directory(cache, goVersion string) string {
	return filepath.Join(cache, "bin", fmt.Sprintf("%s-%s-%s", c.name, c.version, goVersion))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
