package watcher

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"syscall"
)

// processes looks at the processes of the Pod, where all containers share a process namespace. What a
// process belongs to is told by its cgroup, which anybody may read.
type processes struct {
	// own is the watcher's cgroup.
	own    []byte
	self   int
	buffer []byte
}

func newProcesses() *processes {
	p := &processes{self: os.Getpid(), buffer: make([]byte, 4096)}
	p.own = bytes.Clone(p.cgroup(p.self))
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
// false. Those that are known are passed over. Of one that is ending it may not be known where it belongs:
// its index is -1.
func (p *processes) of(cgroups [][]byte, known []int, f func(pid, index int) bool) error {
	proc, err := os.Open("/proc")
	if err != nil {
		return err
	}
	names, err := proc.Readdirnames(-1)
	_ = proc.Close() // before the files below are opened: it may be the last file descriptor that there is
	if err != nil {
		return err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == 1 || pid == p.self || slices.Contains(known, pid) {
			continue
		}
		cgroup := p.cgroup(pid)
		if len(cgroup) == 0 || bytes.Equal(cgroup, p.own) {
			continue
		}
		of := slices.IndexFunc(cgroups, func(of []byte) bool { return len(of) > 0 && bytes.Equal(cgroup, of) })
		if (of >= 0 || p.ending(pid)) && p.alive(pid) && !f(pid, of) {
			return nil
		}
	}
	return nil
}

// ending says whether a process has begun to end: then cgroup v1 says of it that it is in the root (kernel/cgroup/cgroup.c,
// proc_cgroup_show), although it may still hold files, and have threads that run.
func (p *processes) ending(pid int) bool {
	const exiting = 4 // PF_EXITING
	b := p.read("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 7 {
		return false
	}
	flags, err := strconv.ParseUint(string(fields[6]), 10, 32) // the 9th of all
	return err == nil && flags&exiting != 0
}

// alive says whether something of a process may run: its first thread can have ended, and be a zombie, while others
// have not. A process that is killed ends thread by thread.
func (p *processes) alive(pid int) bool {
	state, _ := p.stat(pid)
	if state != 'Z' {
		return state != 'X' && state != 0
	}
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	return err == nil && len(tasks) > 1
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
