package supervise

import (
	"bytes"
	"syscall"
	"unsafe"
)

// given is what every attempt inherits from the shim although an earlier attempt can change it for
// all: the state that is not of a process, but of what its descriptors 0, 1 and 2 stand for, and the
// path of the working directory, which may stand for another directory by now. The terminal's
// attributes are with package spawn; docs/fresh.md has the whole table.
type given struct {
	known bool
	files [3]file
	// directory is the working directory's path, with a NUL byte behind it; nil: it has none.
	directory []byte
}

// file is an open file description, which the attempts share.
type file struct {
	flags uintptr // O_APPEND, O_NONBLOCK, …
	pipe  uintptr // its capacity in bytes; 0: it is no pipe
}

const (
	setPipeSize = 1031 // F_SETPIPE_SZ
	getPipeSize = 1032 // F_GETPIPE_SZ
)

// restore gives the next attempt what the first one got; the first call notes what that is. It
// allocates nothing. What can't be restored stays as it is.
func (g *given) restore() {
	if !g.known {
		g.note()
		return
	}
	for i := range g.files {
		fd, f := uintptr(i), &g.files[i]
		fcntl(fd, syscall.F_SETFL, f.flags)
		// Asked first: the kernel makes a new buffer even for the same size.
		if f.pipe != 0 && fcntl(fd, getPipeSize, 0) != f.pipe {
			fcntl(fd, setPipeSize, f.pipe)
		}
	}
	if g.directory != nil && g.chdir() == syscall.ENOENT {
		// As the runtimes do where an image or a volume has no such directory.
		_, _, _ = syscall.Syscall6(syscall.SYS_MKDIRAT, 0, uintptr(unsafe.Pointer(&g.directory[0])), 0o755, 0, 0, 0)
		_ = g.chdir()
	}
}

func (g *given) note() {
	g.known = true
	for i := range g.files {
		g.files[i] = file{flags: fcntl(uintptr(i), syscall.F_GETFL, 0), pipe: fcntl(uintptr(i), getPipeSize, 0)}
	}
	path := make([]byte, syscall.PathMax)
	n, err := syscall.Getcwd(path) // with the NUL byte
	if err == nil && bytes.HasPrefix(path, []byte("/")) {
		g.directory = path[:n]
	}
}

// fcntl gives 0 for an error: a descriptor that is closed or not of that kind.
func fcntl(fd, command, argument uintptr) uintptr {
	result, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, fd, command, argument)
	if errno != 0 {
		return 0
	}
	return result
}

func (g *given) chdir() syscall.Errno {
	_, _, errno := syscall.Syscall(syscall.SYS_CHDIR, uintptr(unsafe.Pointer(&g.directory[0])), 0, 0)
	return errno
}
