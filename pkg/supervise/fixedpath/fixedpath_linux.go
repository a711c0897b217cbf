// Package fixedpath reads and writes small files whose paths are known beforehand, without garbage:
// a shim does it at every restart, for as long as its Pod lives.
package fixedpath

import (
	"syscall"
	"unsafe"
)

// Path is a path as the kernel wants it. The zero value is no path: it can't be opened.
type Path struct{ text *byte }

// New prepares a path; one with a NUL byte in it is no path.
func New(path string) Path {
	text, err := syscall.BytePtrFromString(path)
	if err != nil {
		return Path{}
	}
	return Path{text}
}

// Read reads the beginning of the file, as much as there is room for; nothing if it can't.
func (p Path) Read(buffer []byte) []byte {
	fd, errno := p.open(syscall.O_RDONLY)
	if errno != 0 {
		return nil
	}
	total := 0
	for total < len(buffer) {
		n, err := syscall.Read(fd, buffer[total:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		total += n
	}
	_ = syscall.Close(fd)
	return buffer[:total]
}

// Overwrite writes b over the beginning of the file, which is made if it is not there. It neither
// truncates nor replaces the file: file systems take those for a reason to write to the disk at
// once, which can take milliseconds. Writers write the same length each time.
func (p Path) Overwrite(b []byte) error {
	fd, errno := p.open(syscall.O_WRONLY | syscall.O_CREAT)
	if errno != 0 {
		return errno
	}
	_, err := syscall.Write(fd, b)
	if closing := syscall.Close(fd); err == nil {
		err = closing
	}
	return err
}

// Empty empties the file, if it is there and not empty: one that is, is left as it is, because to truncate
// it is work for the file system all the same.
func (p Path) Empty() {
	fd, errno := p.open(syscall.O_RDONLY)
	if errno != 0 {
		return
	}
	const fromTheEnd = 2
	length, _, errno := syscall.Syscall(syscall.SYS_LSEEK, uintptr(fd), 0, fromTheEnd)
	_ = syscall.Close(fd)
	if errno == 0 && length > 0 {
		_, _, _ = syscall.Syscall(syscall.SYS_TRUNCATE, uintptr(unsafe.Pointer(p.text)), 0, 0)
	}
}

// open gives an Errno and no error, for which it would have to allocate.
func (p Path) open(flags int) (int, syscall.Errno) {
	if p.text == nil {
		return -1, syscall.ENOENT
	}
	const atCurrentDirectory = ^uintptr(99) // -100
	for {
		fd, _, errno := syscall.Syscall6(syscall.SYS_OPENAT, atCurrentDirectory,
			uintptr(unsafe.Pointer(p.text)), uintptr(flags|syscall.O_CLOEXEC), 0o644, 0, 0)
		switch errno {
		case 0:
			return int(fd), 0
		case syscall.EINTR:
		default:
			return -1, errno
		}
	}
}
