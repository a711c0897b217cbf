package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const cgroupRoot = "/sys/fs/cgroup"

// cgroups are the directories of the cluster's cgroup: one for each v1 hierarchy, or the one of v2.
func (c *Cluster) cgroups() ([]string, error) {
	if isCgroupV2() {
		return []string{filepath.Join(cgroupRoot, c.namespace())}, nil
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, entry := range entries {
		// Links are other names of a hierarchy, like cpu of cpu,cpuacct.
		if entry.IsDir() {
			dirs = append(dirs, filepath.Join(cgroupRoot, entry.Name(), c.namespace()))
		}
	}
	return dirs, nil
}

func isCgroupV2() bool {
	_, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers"))
	return err == nil
}

// createCgroups makes the cgroup that all Pods are in, the kubelet does not.
func (c *Cluster) createCgroups() error {
	dirs, err := c.cgroups()
	if err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("cgroups: %w", err)
		}
	}
	if isCgroupV2() {
		return enableControllers(cgroupRoot, filepath.Join(cgroupRoot, c.namespace()))
	}
	// A new cpuset of v1 is empty: nothing can run in it.
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		text, err := os.ReadFile(filepath.Join(cgroupRoot, "cpuset", name))
		if err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
		if err := os.WriteFile(filepath.Join(cgroupRoot, "cpuset", c.namespace(), name), text, 0o644); err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
	}
	return nil
}

// enableControllers hands all v2 controllers of the first directory down to the children of each.
func enableControllers(dirs ...string) error {
	for _, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		if err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
		for controller := range strings.FieldsSeq(string(text)) {
			if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
				return fmt.Errorf("cgroups: hand controller %s down from %s (in a container: start it with the host's cgroup namespace): %w", controller, dir, err)
			}
		}
	}
	return nil
}

// killPods kills every process in the cluster's cgroup. Only Pods are in there.
func (c *Cluster) killPods() error {
	dirs, err := c.cgroups()
	if err != nil {
		return err
	}
	var errs []error
	for _, root := range dirs {
		errs = append(errs, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || filepath.Base(path) != "cgroup.procs" {
				return err
			}
			return killAll(path)
		}))
	}
	return errors.Join(errs...)
}

// killAll kills the processes that a cgroup.procs lists.
func killAll(procs string) error {
	file, err := os.Open(procs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// 0 stands for a process of another PID namespace.
		if pid, err := strconv.Atoi(lines.Text()); err == nil && pid > 0 {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d of %s: %w", pid, procs, err)
			}
		}
	}
	// The cgroup can go while it is read.
	if err := lines.Err(); err != nil && !errors.Is(err, syscall.ENODEV) {
		return err
	}
	return nil
}

// deleteCgroups removes the cluster's cgroup as soon as its processes are gone.
func (c *Cluster) deleteCgroups(ctx context.Context) error {
	dirs, err := c.cgroups()
	if err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	for _, dir := range dirs {
		if err := poll(ctx, func() error { return removeCgroup(dir) }); err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
	}
	return nil
}

// removeCgroup removes a cgroup and those below it. Its files can't and need not be removed.
func removeCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}
