package supervise

import (
	"syscall"
	"unsafe"
)

// reap waits until the command's own process has ended and gives its exit code. On the way it reaps
// every orphan that the kernel handed to the shim. Together with reapAll, which runs on the same
// goroutine, it is the only place that waits for children.
func (s *supervisor) reap() int {
	for {
		// Look without reaping first: the process id must not be free for reuse while a signal
		// may still be sent to it.
		pid, err := anyEnded()
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			// ECHILD can't be: the command's process is reaped nowhere else.
			s.say("can't wait for the command: " + err.Error())
			return codeStartError
		}
		var status syscall.WaitStatus
		s.mutex.Lock()
		ended := pid == s.pid
		if ended {
			// All of its process group at once: nothing can fork its way out of that. While the
			// command isn't reaped nobody else can have a group of that number.
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
		_, err = syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if ended {
			s.pid = 0
			s.alarm.disarm()
			s.commands.abandon(s.link)
		} else {
			s.reaped(pid, status)
		}
		s.mutex.Unlock()
		if ended && err == nil {
			return exitCode(status)
		}
	}
}

// exitCode is the exit code as container runtimes report it: death by signal n is 128+n.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// anyEnded waits until some child has ended, and leaves it to be reaped.
func anyEnded() (pid int, err error) {
	const (
		pAll    = 0
		wExited = 4
		wNoWait = 0x01000000
	)
	// siginfo_t, of which si_pid is at offset 16 here.
	var info [128]byte
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pAll, 0, uintptr(unsafe.Pointer(&info)), wExited|wNoWait, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(*(*int32)(unsafe.Pointer(&info[16]))), nil
}

// reapAll reaps what has ended, without waiting, and says whether there are children left.
func reapAll() (children bool) {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR || pid > 0:
		case err != nil:
			return false // ECHILD
		default:
			return true
		}
	}
}
