//go:build amd64 || arm64

// Package spawn starts the same command again and again. What the kernel is given is made once, so
// a start leaves no garbage, needs no pipe to learn whether it worked, and no search of the PATH
// beforehand: the child, which shares the parent's memory until it executes the command (vfork),
// tries the candidates itself. It is a few lines of assembly because nothing else may run in there.
package spawn

import (
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"restartrules.dev/pkg/supervise/nofile"
	"restartrules.dev/pkg/supervise/sigpipe"
	"restartrules.dev/pkg/sysmon"
)

// Command can be started any number of times, by one goroutine.
type Command struct {
	state *state
}

// state is read and written by the assembly, by offset, which staticcheck does not see.
type state struct {
	paths   **byte // 0: candidates, ended by nil
	argv    **byte // 8
	env     **byte // 16
	session uint64 // 24: 1: a session of its own; 0: a process group in the terminal's foreground
	parent  uint64 // 32: process id of this process
	caught  uint64 // 40: bit n-1: signal n has a handler here and gets the default in the child
	pid     int64  // 48: result of clone: process id or -errno
	errno   int64  // 56: why nothing could be executed
	all     uint64 // 64: signal mask with all signals
	//lint:ignore U1000 see above
	mask uint64 // 72: the mask to give back
	//lint:ignore U1000 see above
	zero [4]int64 // 80: the default action
	//lint:ignore U1000 see above
	group int64 // 112: scratch, the child's process id
	//lint:ignore U1000 see above
	terminal *syscall.Termios // 120: the attributes that the terminal gets at each start
	//lint:ignore U1000 see above
	files uint64 // 128: the descriptor that the child has as 0, 1 and 2; 0: it has this process's own
}

// start clones the process and runs the child's part. It returns in the parent only, when the child
// has executed the command or has failed.
func start(s *state)

// New prepares a command. Its name is looked up as the container runtime does: with a slash in it,
// it is a path; else it is looked for in the PATH of env. terminal says that file descriptor 0 is a
// terminal: then the command gets a process group of its own, in the foreground, and the terminal's
// attributes are at each start what they are now; else it gets a session. Signals that are caught now, by this process, have their default action in the command.
func New(argv, env []string, terminal bool) (*Command, error) {
	s := &state{parent: uint64(syscall.Getpid()), all: ^uint64(0), caught: sigpipe.Caught()}
	if terminal {
		s.terminal = new(syscall.Termios)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, 0, syscall.TCGETS, uintptr(unsafe.Pointer(s.terminal))); errno != 0 {
			return nil, errno
		}
	} else {
		s.session = 1
	}
	// The command inherits the limit from this process, for which the syscall package has raised it.
	if limit := nofile.Original; limit[1] != 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit[0], Max: limit[1]}); err != nil {
			return nil, err
		}
	}
	var err error
	if s.paths, err = pointers(candidates(argv[0], env)); err != nil {
		return nil, err
	}
	if s.argv, err = pointers(argv); err != nil {
		return nil, err
	}
	if s.env, err = pointers(env); err != nil {
		return nil, err
	}
	return &Command{state: s}, nil
}

// Redirect gives the command fd, which must be above 2, as its standard input, output and error.
func (c *Command) Redirect(fd int) { c.state.files = uint64(fd) }

// Start starts the command as a child of the calling thread, by whose end it is killed too. The error
// is a syscall.Errno. If several candidates fail, it is the one that says most.
func (c *Command) Start() (pid int, err error) {
	s := c.state
	s.errno = 0
	sysmon.Restore()
	start(s)
	if s.pid < 0 {
		return 0, syscall.Errno(-s.pid)
	}
	if s.errno != 0 {
		var status syscall.WaitStatus
		for {
			if _, err := syscall.Wait4(int(s.pid), &status, 0, nil); err != syscall.EINTR {
				break
			}
		}
		return 0, syscall.Errno(s.errno)
	}
	return int(s.pid), nil
}

// Exec replaces this process by the command, which is looked up as New does. It returns only an
// error.
func Exec(argv, env []string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sysmon.Restore()
	result := syscall.ENOENT
	for _, path := range candidates(argv[0], env) {
		err := syscall.Exec(path, argv, env)
		switch err {
		case syscall.ENOENT, syscall.ENOTDIR:
		case syscall.EACCES: // a later directory may have one that can be executed
			result = syscall.EACCES
		default:
			return err
		}
	}
	return result
}

// pointers makes an array as the kernel wants it.
func pointers(list []string) (**byte, error) {
	array, err := syscall.SlicePtrFromStrings(list)
	if err != nil { // a NUL byte, which can't have come from the kernel
		return nil, err
	}
	return unsafe.SliceData(array), nil
}

// candidates are the paths to try, in order.
func candidates(command string, env []string) []string {
	if command == "" {
		return nil
	}
	if strings.Contains(command, "/") {
		return []string{command}
	}
	var list []string
	for _, variable := range env {
		path, ok := strings.CutPrefix(variable, "PATH=")
		if !ok {
			continue
		}
		for dir := range strings.SplitSeq(path, ":") {
			if dir == "" {
				dir = "."
			}
			list = append(list, dir+"/"+command)
		}
		break
	}
	return list
}
