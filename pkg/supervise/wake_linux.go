package supervise

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// forever is a wait without an end of its own.
const forever time.Duration = -1

// The kernel's include/uapi/linux/futex.h: with FUTEX_PRIVATE_FLAG.
const futexWait, futexWake = 0 | 128, 1 | 128

// await waits for that long, or until it is told to look again. In the kernel: a channel would have the runtime wake some
// thread, which wakes the one that the main goroutine is locked to. And without a file, of which there may be none to be had.
func (s *supervisor) await(wait time.Duration) {
	var limit *syscall.Timespec
	if wait != forever {
		t := syscall.NsecToTimespec(int64(max(0, wait)))
		limit = &t
	}
	// It returns at once where it was told already. A signal or nothing at all may end it, too.
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&s.wake)), futexWait, 0, uintptr(unsafe.Pointer(limit)), 0, 0)
	atomic.StoreUint32(&s.wake, 0)
}

// wakeUp makes the main goroutine look again at what it is to do.
func (s *supervisor) wakeUp() {
	if atomic.SwapUint32(&s.wake, 1) == 0 {
		_, _, _ = syscall.Syscall(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&s.wake)), futexWake, 1)
	}
}
