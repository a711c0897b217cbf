package wire

import (
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// MarkName is the mark's file, in a container's directory (written by the watcher) and in its
// attempt directory (written by the container's own preStop hook).
const MarkName = "stop"

// MarkLength is more than the longest content of the file.
const MarkLength = 64

// Mark says that something is being stopped, so that an exit that follows may belong to it.
type Mark struct {
	Kind MarkKind
	// At is when it was written: Now, by the clock that all containers of a node share.
	At int64
}

// MarkKind is what is being stopped.
type MarkKind string

const (
	// NoMark: nothing is known to be stopping.
	NoMark MarkKind = ""
	// Self: this container.
	Self MarkKind = "self"
	// Pod: the whole Pod.
	Pod MarkKind = "pod"
	// Peer: another container, so perhaps the whole Pod.
	Peer MarkKind = "peer"
)

// ReadMark reads the mark in dir. No file, or one that makes no sense, is NoMark.
func ReadMark(dir string) Mark {
	fd, err := syscall.Open(dir+"/"+MarkName, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return Mark{}
	}
	defer syscall.Close(fd)
	var b [MarkLength]byte
	n, err := syscall.Read(fd, b[:])
	if err != nil || n <= 0 {
		return Mark{}
	}
	return ParseMark(b[:n])
}

// ParseMark reads the content of a mark's file. What makes no sense is NoMark.
func ParseMark(b []byte) Mark {
	if len(b) == 0 {
		return Mark{} // by far the most frequent case: without an error's garbage
	}
	kind, at, _ := strings.Cut(string(b), " ")
	ns, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return Mark{}
	}
	switch k := MarkKind(kind); k {
	case Self, Pod, Peer:
		return Mark{Kind: k, At: ns}
	}
	return Mark{}
}

// WriteMark puts the mark into dir, whole or not at all. Writers in one process at a time.
func WriteMark(dir string, m Mark) error {
	return write(dir+"/"+MarkName, string(m.Kind)+" "+strconv.FormatInt(m.At, 10))
}

// write makes the file hold that text, whole or not at all.
func write(path, text string) error {
	temporary := path + "." + strconv.Itoa(syscall.Getpid())
	fd, err := syscall.Open(temporary, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	_, err = syscall.Write(fd, []byte(text))
	if closing := syscall.Close(fd); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return syscall.Rename(temporary, path)
}

// ClearMark removes the mark from dir, if there is one.
func ClearMark(dir string) error { return unlink(dir + "/" + MarkName) }

func unlink(path string) error {
	if err := syscall.Unlink(path); err != nil && err != syscall.ENOENT {
		return err
	}
	return nil
}

// Now is CLOCK_MONOTONIC in nanoseconds: the same in all containers of a node, and never set back.
func Now() int64 {
	var ts syscall.Timespec
	const clockMonotonic = 1
	// With valid arguments clock_gettime can't fail.
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}
