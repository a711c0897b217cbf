//go:build e2e

package chaos

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"restartrules.dev/pkg/api"
)

// process is one process of a Pod, as the node sees it.
type process struct {
	pid int
	// group is the directory of the container's cgroup.
	group string
	args  []string
	// since is when it was started, in clock ticks since boot.
	since uint64
}

func (p *process) isWatcher() bool {
	return len(p.args) > 1 && p.args[0] == "/watcher" && p.args[1] == "serve"
}

func (p *process) isShimOf(container string) bool {
	return len(p.args) > 1 && filepath.Base(p.args[0]) == "shim" && p.args[1] == "run" && slices.Contains(p.args, "--container="+container)
}

func (p *process) isAppOf(name string) bool {
	return len(p.args) > 1 && p.args[0] == "/app" && p.args[1] == "-record=/records/"+name
}

// podGroup is the directory of a Pod's cgroup, or "": below it is one for each container.
func podGroup(uid string) string {
	name := "rr-" + clusterName
	for _, hierarchy := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		for _, class := range []string{"", "burstable", "besteffort"} {
			dir := filepath.Join(hierarchy, name, "kubepods", class, "pod"+uid)
			if _, err := os.Stat(dir); err == nil {
				return dir
			}
		}
	}
	return ""
}

// processes are those of the Pod's containers.
func (p *pod) processes() (list []process) {
	groups, err := filepath.Glob(filepath.Join(podGroup(p.uid), "*", "cgroup.procs"))
	if err != nil {
		return nil
	}
	for _, procs := range groups {
		text, err := os.ReadFile(procs)
		if err != nil {
			continue // the container has just ended
		}
		for line := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(line)
			if err != nil {
				continue
			}
			if one, ok := lookAt(pid); ok {
				one.group = filepath.Dir(procs)
				list = append(list, one)
			}
		}
	}
	// The first is the one that was there first: a child is a copy of its parent until it executes something.
	slices.SortFunc(list, func(a, b process) int {
		if a.since != b.since {
			return int(int64(a.since) - int64(b.since))
		}
		return a.pid - b.pid
	})
	return list
}

func lookAt(pid int) (process, bool) {
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(command) == 0 {
		return process{}, false // gone, or a zombie
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	since, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return process{}, false
	}
	return process{pid: pid, since: since, args: strings.Split(strings.TrimRight(string(command), "\x00"), "\x00")}, true
}

// find is the first process that fits.
func (p *pod) find(fits func(*process) bool) (process, error) {
	for _, one := range p.processes() {
		if fits(&one) {
			return one, nil
		}
	}
	return process{}, fmt.Errorf("no such process of %s", p.name)
}

func (p *pod) watcher() (process, error) { return p.find((*process).isWatcher) }

func (p *pod) shim(container string) (process, error) {
	return p.find(func(one *process) bool { return one.isShimOf(container) })
}

func (p *pod) watcherShim() (process, error) { return p.shim(api.WatcherContainer) }

func (p *pod) app(name string) (process, error) {
	return p.find(func(one *process) bool { return one.isAppOf(name) })
}
