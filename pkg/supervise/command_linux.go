package supervise

import (
	"strings"
	"syscall"
	"unsafe"
)

// Exit codes of a command that can't be started.
const (
	codeNotExecutable = 126
	codeNotFound      = 127
	// codeStartError is what the kubelet reports for a container that the runtime could not start
	// (reason StartError): the command was not to blame, say, no process could be made.
	codeStartError = 128
)

// start starts the command, in a session of its own, or with a terminal in its foreground.
// The mutex of the caller must be held, so that no signal falls between the start and its record.
func (c *Config) start(terminal bool) (pid int, err error) {
	path, err := lookPath(c.Argv[0], c.Env)
	if err != nil {
		return 0, err
	}
	attr := &syscall.SysProcAttr{
		// Nothing of the container outlives its shim, which may be killed at any time. The
		// signal is tied to the thread that forks: see Run.
		Pdeathsig: syscall.SIGKILL,
	}
	if terminal {
		// The shim is the leader of the terminal's session, and if that leader's child took the
		// terminal into a session of its own, the terminal would hang up with its first end.
		attr.Setpgid, attr.Foreground, attr.Ctty = true, true, 0
	} else {
		attr.Setsid = true
	}
	return syscall.ForkExec(path, c.Argv, &syscall.ProcAttr{Env: c.Env, Files: []uintptr{0, 1, 2}, Sys: attr})
}

// codeOf gives the exit code and the reason for a command that could not be started.
func codeOf(err error) (code int, reason string) {
	switch err {
	case syscall.ENOENT, syscall.ENOTDIR:
		return codeNotFound, "not found"
	case syscall.EACCES, syscall.EPERM, syscall.ENOEXEC, syscall.ELIBBAD, syscall.ETXTBSY,
		syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.E2BIG:
		return codeNotExecutable, err.Error()
	}
	return codeStartError, err.Error()
}

// lookPath finds the command as the container runtime does: with a slash in it, as it is; else in
// the container's PATH. What is found but may not be executed counts if nothing else is found.
func lookPath(command string, env []string) (string, error) {
	if command == "" {
		return "", syscall.ENOENT
	}
	if strings.Contains(command, "/") {
		return command, executable(command)
	}
	var path string
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			path = value
			break
		}
	}
	result := error(syscall.ENOENT)
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		candidate := dir + "/" + command
		err := executable(candidate)
		if err == nil {
			return candidate, nil
		}
		if err != syscall.ENOENT && err != syscall.ENOTDIR {
			result = err
		}
	}
	return "", result
}

func executable(path string) error {
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		return err
	}
	if stat.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return syscall.EISDIR
	}
	const executeAccess = 1 // X_OK
	return syscall.Access(path, executeAccess)
}

// isTerminal says whether the file descriptor is a terminal.
func isTerminal(fd int) bool {
	var termios syscall.Termios
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TCGETS, uintptr(unsafe.Pointer(&termios)))
	return errno == 0
}
