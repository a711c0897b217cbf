package supervise

import (
	"strconv"
	"syscall"
	"time"

	"restartrules.dev/pkg/supervise/fixedpath"
)

// sweepTimeout is how long something may survive SIGKILL (a process stuck in a driver, or one of a
// user that the shim may not signal) before the container is given up.
const sweepTimeout = 60 * time.Second

// scope is what counts as "of this container".
type scope uint8

const (
	// descendants: what the command started, however it hides; all orphans are the shim's children,
	// for it is their subreaper. For containers without a PID namespace (hostPID), and for the
	// watcher's own, whose hooks must go on when it crashes.
	descendants scope = iota
	// namespace: the shim is PID 1, everything else in its PID namespace is of this container.
	namespace
	// group: the PID namespace is shared; what is in the shim's own cgroup is of this container,
	// exec sessions and hooks included.
	group
)

// scopeOf looks at how this process was started.
func scopeOf() scope {
	switch {
	case syscall.Getpid() == 1:
		return namespace
	case runtimeIsHidden():
		return group
	}
	return descendants
}

// runtimeIsHidden says whether this process was started from outside of its PID namespace. Then that
// was the container runtime, and this process's cgroup is the container's alone.
func runtimeIsHidden() bool { return syscall.Getppid() == 0 }

// sweep kills all that is left of the container but the shim, and returns true when it is gone: a
// process whose kill was only sent may still hold a port or write to a file. False: something is
// still there after sweepTimeout.
func (s *supervisor) sweep() bool {
	var deadline time.Time
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 50*time.Millisecond) {
		children := reapAll()
		if !s.killLeft(children) {
			return true
		}
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(sweepTimeout)
		} else if now.After(deadline) {
			return false
		}
		time.Sleep(pause)
	}
}

// killLeft sends SIGKILL to all that is left, and says whether there is anything.
func (s *supervisor) killLeft(children bool) bool {
	switch s.scope {
	case namespace:
		return syscall.Kill(-1, syscall.SIGKILL) != syscall.ESRCH
	case group:
		left := children
		for _, pid := range s.cgroupMembers() {
			left = true
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone, or not ours to kill: the next look tells
		}
		return left
	}
	if children {
		for _, pid := range descendantsOf(s.self) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return children
}

// cgroupMembers lists the live processes in the shim's cgroup, but for the shim.
func (s *supervisor) cgroupMembers() []int {
	candidates, ok := s.procsFile()
	if !ok {
		candidates = processes()
	}
	var members []int
	for _, pid := range candidates {
		if pid == s.self || pid <= 1 {
			continue
		}
		// The list may be of a wider cgroup than the container's: each is looked at.
		if string(readFile(s.buffer[:], "/proc/"+strconv.Itoa(pid)+"/cgroup")) != s.cgroup {
			continue
		}
		if procStat(pid).state == 'Z' {
			continue // dead already; its parent reaps it
		}
		members = append(members, pid)
	}
	return members
}

// procsFiles are where the cgroup's own list may be: under cgroup v2, and under v1 by any controller.
var procsFiles = [...]fixedpath.Path{
	fixedpath.New("/sys/fs/cgroup/cgroup.procs"),
	fixedpath.New("/sys/fs/cgroup/memory/cgroup.procs"),
	fixedpath.New("/sys/fs/cgroup/pids/cgroup.procs"),
}

// procsFile reads the cgroup's own list, which is a good deal cheaper than all of /proc. ok is false
// where that is not this container's cgroup.
func (s *supervisor) procsFile() (pids []int, ok bool) {
	for _, path := range procsFiles {
		text := path.Read(s.buffer[:])
		if len(text) == len(s.buffer) {
			continue // not all of it
		}
		pids, ok = pids[:0], false
		for pid := 0; len(text) > 0; text = text[1:] {
			if c := text[0]; c >= '0' && c <= '9' {
				pid = 10*pid + int(c-'0')
				continue
			}
			ok = ok || pid == s.self
			if pid != s.self {
				pids = append(pids, pid)
			}
			pid = 0
		}
		if ok {
			return pids, true
		}
	}
	return nil, false
}

// descendantsOf lists all processes below pid.
func descendantsOf(pid int) []int {
	children := map[int][]int{}
	for _, p := range processes() {
		parent := procStat(p).parent
		children[parent] = append(children[parent], p)
	}
	var all []int
	for queue := children[pid]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}
