package tracer

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ptrace is the system call. Only the thread that traces may make it.
func ptrace(request, tid int, address, data uintptr) (uintptr, error) {
	n, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), address, data, 0, 0)
	if errno != 0 {
		return n, errno
	}
	return n, nil
}

// syscallInfo is struct ptrace_syscall_info, the same for every processor. After a call, number holds
// what it returns, and the lowest byte of args[0] whether that is an error.
type syscallInfo struct {
	op, _  uint8
	_      uint16
	_      uint32
	_, _   uint64
	number uint64
	args   [6]uint64
	_, _   uint32
}

const (
	infoEntry = 1
	infoExit  = 2
)

func getSyscallInfo(tid int) (info syscallInfo, err error) {
	_, err = ptrace(unix.PTRACE_GET_SYSCALL_INFO, tid, unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)))
	return info, err
}

// setSyscallInfo changes the call. Kernels have it since 6.16.
func setSyscallInfo(tid int, info *syscallInfo) error {
	_, err := ptrace(unix.PTRACE_SET_SYSCALL_INFO, tid, unsafe.Sizeof(*info), uintptr(unsafe.Pointer(info)))
	return err
}
