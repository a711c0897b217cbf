package supervise

import (
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

// isTerminal says whether the file descriptor is a terminal.
func isTerminal(fd int) bool {
	var termios syscall.Termios
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TCGETS, uintptr(unsafe.Pointer(&termios)))
	return errno == 0
}
