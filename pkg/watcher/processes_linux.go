package watcher

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// processes looks at the processes of the Pod, where all containers share a process namespace. What a
// process belongs to is told by its cgroup, which anybody may read.
type processes struct {
	// own is the watcher's cgroup.
	own    []byte
	buffer []byte
}

func newProcesses() *processes {
	p := &processes{buffer: make([]byte, 4096)}
	p.own = bytes.Clone(p.cgroup(os.Getpid()))
	return p
}

// cgroup is the content of a process's cgroup file, valid until the next call; empty if there is no
// such process.
func (p *processes) cgroup(pid int) []byte {
	if pid <= 0 {
		return nil
	}
	return p.read("/proc/" + strconv.Itoa(pid) + "/cgroup")
}

func (p *processes) read(path string) []byte {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	n, err := syscall.Read(fd, p.buffer)
	if err != nil || n < 0 {
		return nil
	}
	return p.buffer[:n]
}

// of calls f with every live process of one of the cgroups, by the cgroup's index, until f returns
// false.
func (p *processes) of(cgroups [][]byte, f func(pid, index int) bool) error {
	proc, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == 1 {
			continue
		}
		cgroup := p.cgroup(pid)
		if len(cgroup) == 0 || bytes.Equal(cgroup, p.own) {
			continue
		}
		for i, of := range cgroups {
			if len(of) > 0 && bytes.Equal(cgroup, of) {
				if state, _ := p.stat(pid); state == 'Z' || state == 'X' || state == 0 {
					break
				}
				if !f(pid, i) {
					return nil
				}
				break
			}
		}
	}
	return nil
}

// stat is a process's state and name; state 0 if there is no such process.
func (p *processes) stat(pid int) (state byte, name string) {
	b := p.read("/proc/" + strconv.Itoa(pid) + "/stat")
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || end+2 >= len(b) {
		return 0, ""
	}
	return b[end+2], string(b[open+1 : end])
}
