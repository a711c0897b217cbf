package supervise

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"restartrules.dev/pkg/supervise/fixedpath"
	"restartrules.dev/pkg/wire"
)

// DefaultKillTimeout is how long something may survive SIGKILL (a process stuck in a driver, or one of
// a user that the shim may not signal) before the container is given up.
const DefaultKillTimeout = 60 * time.Second

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
// still there after the timeout.
//
// Where the kernel can't kill all at once it is a race against those that go on to fork. So as long as
// there is anything new, nothing is waited for, and nothing reaped: under a limit of processes the dead
// take up the room of the unborn.
func (s *supervisor) sweep(timeout time.Duration) bool {
	var deadline int64
	pause := 20 * time.Microsecond
	for {
		left, grew := s.killLeft()
		if !grew && !reapAll() && !left {
			return true
		}
		now := wire.Now()
		if deadline == 0 {
			deadline = now + int64(timeout)
		} else if now > deadline {
			return false
		}
		if !grew {
			time.Sleep(pause)
			pause = min(2*pause, 50*time.Millisecond)
		}
	}
}

// killLeft sends SIGKILL to all that is left, and says whether there is anything, and whether any of it
// was not there the time before.
func (s *supervisor) killLeft() (left, grew bool) {
	if s.scope == namespace {
		return syscall.Kill(-1, syscall.SIGKILL) != syscall.ESRCH, false
	}
	before := s.killed
	s.killed = nil
	for pid := range s.others {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone, or not ours to kill: the next look tells
		s.killed = append(s.killed, pid)
		grew = grew || !slices.Contains(before, pid)
	}
	return len(s.killed) > 0, grew
}

// others are the live processes of the container but for the shim. One is yielded as soon as it is
// found: between a look and a kill it could fork.
func (s *supervisor) others(yield func(pid int) bool) {
	switch s.scope {
	case namespace:
		s.namespaceMembers(yield)
	case group:
		s.cgroupMembers(yield)
	default:
		s.descendants(yield)
	}
}

// survivor is one of the processes that are left; 0: there is none any more.
func (s *supervisor) survivor() int {
	for pid := range s.others {
		return pid
	}
	return 0
}

// commandName is what the kernel calls a process, or nothing.
func commandName(pid int) string {
	var buffer [64]byte
	return strings.TrimSpace(string(readFile(buffer[:], "/proc/"+strconv.Itoa(pid)+"/comm")))
}

func (s *supervisor) namespaceMembers(yield func(pid int) bool) {
	for _, pid := range processes() {
		if pid != s.self && !yield(pid) {
			return
		}
	}
}

func (s *supervisor) cgroupMembers(yield func(pid int) bool) {
	candidates, ok := s.list(s.own)
	if !ok {
		candidates = processes()
	}
	for _, pid := range candidates {
		if pid == s.self || pid <= 1 {
			continue
		}
		// The kernel's list has neither strangers nor the dead, whom their parents reap.
		if !ok && (string(readFile(s.buffer[:], "/proc/"+strconv.Itoa(pid)+"/cgroup")) != s.cgroup || procStat(pid).state == 'Z') {
			continue
		}
		if !yield(pid) {
			return
		}
	}
}

// procsFiles are where the cgroup's own list may be: under cgroup v2, and under v1 by any controller.
var procsFiles = [...]fixedpath.Path{
	fixedpath.New("/sys/fs/cgroup/cgroup.procs"),
	fixedpath.New("/sys/fs/cgroup/memory/cgroup.procs"),
	fixedpath.New("/sys/fs/cgroup/pids/cgroup.procs"),
}

// ownList finds the list of the container's cgroup, which is a good deal cheaper than to look at all of
// /proc. A process is in one cgroup of a hierarchy, so a list that has the shim in it is of the shim's
// cgroup. If the shim, just started, is alone there, without the sandbox's PID 1, that is the
// container's and no wider one. No path: there is no such list.
func (s *supervisor) ownList() fixedpath.Path {
	for _, path := range procsFiles {
		if pids, _ := s.list(path); len(pids) == 1 && pids[0] == s.self {
			return path
		}
	}
	return fixedpath.Path{}
}

// list reads process ids, as many as there is room for. ok is false if there is no such file. The
// next call overwrites what it gives.
func (s *supervisor) list(path fixedpath.Path) (pids []int, ok bool) {
	pids = s.listed[:0]
	defer func() { s.listed = pids }()
	text := path.Read(s.buffer[:])
	ok = len(text) > 0
	for pid := 0; len(text) > 0; text = text[1:] {
		if c := text[0]; c >= '0' && c <= '9' {
			pid = 10*pid + int(c-'0')
			continue
		}
		pids = append(pids, pid)
		pid = 0
	}
	return pids, ok
}

func (s *supervisor) descendants(yield func(pid int) bool) {
	if !reapAll() {
		return // by far the most frequent case, and all of /proc is a lot to look at
	}
	children := map[int][]int{}
	for _, p := range processes() {
		parent := procStat(p).parent
		children[parent] = append(children[parent], p)
	}
	for queue := children[s.self]; len(queue) > 0; queue = queue[1:] {
		if !yield(queue[0]) {
			return
		}
		queue = append(queue, children[queue[0]]...)
	}
}
