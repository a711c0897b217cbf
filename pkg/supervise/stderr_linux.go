package supervise

import (
	"syscall"
	"unsafe"
)

// say writes a line to the container's stderr.
func (s *supervisor) say(text string) {
	writeStderr([]byte("restartrules: container=" + s.Container + ": " + text + "\n"))
}

func (s *supervisor) sayBetween(m seam) {
	if b := appendSeam(s.buffer[:0], s.Seam, m); len(b) > 0 {
		writeStderr(b)
	}
}

// writeStderr writes if there is room at once: nobody reading the log is no reason to stand still.
func writeStderr(b []byte) {
	poll := struct {
		fd              int32
		events, revents int16
	}{fd: 2, events: 4} // POLLOUT
	var now syscall.Timespec
	n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	if errno == 0 && n == 1 && poll.revents&4 != 0 {
		_, _ = syscall.Write(2, b) // there is no other place to say that this failed
	}
}
