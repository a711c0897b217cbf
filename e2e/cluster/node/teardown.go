package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"restartrules.dev/e2e/cluster/build"
)

const (
	teardownTimeout = 2 * time.Minute
	deleteTimeout   = 20 * time.Second
	cniResults      = "/var/lib/cni/results"
	containerLogs   = "/var/log/containers"
	// The kubelet has it here whatever its root directory is (k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1/constants.go).
	deviceSocket = "/var/lib/kubelet/device-plugins/kubelet.sock"
)

// List returns all clusters that have a state directory.
func List() ([]*Cluster, error) {
	cache, err := build.CacheDir()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(cache, "clusters", "*", "cluster.json"))
	if err != nil {
		return nil, err
	}
	var clusters []*Cluster
	for _, file := range files {
		c, err := Open(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, c)
	}
	return clusters, nil
}

// Down ends the cluster and removes all of it.
func (c *Cluster) Down(ctx context.Context) error { return Down(ctx, c.Name, io.Discard) }

// Down ends the cluster of that name and removes all of it: processes, mounts, network, cgroups and state. It does
// as much as it can of a cluster that is broken, and nothing if there is none. What it does is written to out.
func Down(ctx context.Context, name string, out io.Writer) error {
	if err := checkRoot(); err != nil {
		return err
	}
	held, err := acquire(ctx, out)
	if err != nil {
		return err
	}
	defer held.Close()
	return down(ctx, name, out)
}

func down(ctx context.Context, name string, out io.Writer) error {
	dir, err := stateDir(name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	fmt.Fprintf(out, "removing cluster %s\n", name)
	c, err := Open(name)
	if err != nil {
		c = &Cluster{Name: name, dir: dir}
	}
	if err := c.remove(ctx); err != nil {
		return fmt.Errorf("remove cluster %s: %w", name, err)
	}
	return nil
}

func (c *Cluster) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, teardownTimeout)
	defer cancel()
	sockets := c.shimSockets()
	var errs []error
	for _, component := range components {
		if component == "containerd" {
			c.deleteTasks(ctx)
		}
		errs = append(errs, c.stop(ctx, component))
	}
	// What follows is for what containerd has left, or all of it if containerd was dead.
	errs = append(errs, c.killPods(), c.killShims())
	errs = append(errs, c.unmount(), c.deleteCNIResults(), c.deleteLogLinks(), c.deleteNetwork(ctx), c.deleteCgroups(ctx))
	errs = append(errs, deleteDeadSocket(deviceSocket))
	for _, socket := range sockets {
		errs = append(errs, os.RemoveAll(socket))
	}
	if err := errors.Join(errs...); err != nil {
		// The state directory is what a second attempt needs.
		return err
	}
	return os.RemoveAll(c.dir)
}

// deleteTasks lets containerd end all containers, and with the last of a Pod its shim. Failures don't matter.
func (c *Cluster) deleteTasks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	if p := c.process("containerd"); p == nil {
		return
	}
	tasks, err := c.ctr(ctx, "tasks", "list", "--quiet")
	if err != nil || tasks == "" {
		return
	}
	_, _ = c.ctr(ctx, append([]string{"tasks", "delete", "--force"}, strings.Fields(tasks)...)...)
}

// shimSockets are the sockets of our shims. They are in a directory of the machine, and whether a shim, containerd or
// nobody removes them depends on how far these come.
func (c *Cluster) shimSockets() []string {
	bundles, err := filepath.Glob(c.path("containerd/state/io.containerd.runtime.v2.task/*/*/bootstrap.json"))
	if err != nil {
		return nil
	}
	var sockets []string
	for _, bundle := range bundles {
		var bootstrap struct{ Address string }
		text, err := os.ReadFile(bundle)
		if err == nil && json.Unmarshal(text, &bootstrap) == nil {
			sockets = append(sockets, strings.TrimPrefix(bootstrap.Address, "unix://"))
		}
	}
	return sockets
}

// killShims kills the shims of our containerd.
func (c *Cluster) killShims() error {
	var errs []error
	processes, err := os.ReadDir("/proc")
	errs = append(errs, err)
	for _, entry := range processes {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !c.isShim(commandLine(pid)) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("kill shim %d: %w", pid, err))
		}
	}
	return errors.Join(errs...)
}

func (c *Cluster) isShim(args []string) bool {
	if len(args) == 0 || filepath.Base(args[0]) != "containerd-shim-runc-v2" {
		return false
	}
	address := slices.Index(args, "-address")
	return address >= 0 && address+1 < len(args) && args[address+1] == c.socket()
}

// mntDetach is syscall.MNT_DETACH, which has a name on Linux only; everything else here compiles elsewhere too.
const mntDetach = 2

// unmount removes all mounts below the state directory, the last first.
func (c *Cluster) unmount() error {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	var errs []error
	for _, target := range slices.Backward(mountsBelow(string(text), c.dir)) {
		if err := syscall.Unmount(target, mntDetach); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, &fs.PathError{Op: "unmount", Path: target, Err: err})
		}
	}
	return errors.Join(errs...)
}

// mountsBelow reads the mount points below dir from the text of /proc/mounts.
func mountsBelow(text, dir string) []string {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var targets []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if target := unescape.Replace(fields[1]); strings.HasPrefix(target, dir+"/") {
			targets = append(targets, target)
		}
	}
	return targets
}

// deleteCNIResults removes what libcni has cached about the cluster's network in a directory of the machine.
func (c *Cluster) deleteCNIResults() error {
	files, err := filepath.Glob(filepath.Join(cniResults, c.namespace()+"-*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range files {
		var result struct{ NetworkName string }
		text, err := os.ReadFile(file)
		// The network of a cluster whose name begins with ours and a dash matches as well.
		if err == nil && json.Unmarshal(text, &result) == nil && result.NetworkName == c.namespace() {
			errs = append(errs, os.Remove(file))
		}
	}
	return errors.Join(errs...)
}

// deleteLogLinks removes the links to our logs that the kubelet makes in a directory of the machine.
func (c *Cluster) deleteLogLinks() error {
	entries, err := os.ReadDir(containerLogs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, entry := range entries {
		link := filepath.Join(containerLogs, entry.Name())
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, c.dir+"/") {
			errs = append(errs, os.Remove(link))
		}
	}
	return errors.Join(errs...)
}

// deleteDeadSocket removes a socket that nobody listens at.
func deleteDeadSocket(path string) error {
	connection, err := net.Dial("unix", path)
	if err == nil {
		return connection.Close()
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return nil
}
