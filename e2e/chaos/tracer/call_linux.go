package tracer

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// Call is a system call of a traced process, which has stopped in front of it or behind it.
type Call struct {
	// PID is the process, TID the thread, as this process sees them.
	PID, TID int
	// Entry says that the kernel has done nothing of it yet; else it is done, and Result is what it
	// returns: a negative number is an error's.
	Entry  bool
	Number uint64
	Args   [6]uint64
	Result int64
}

// maxRead bounds what is read of a traced process's memory.
const maxRead = 4096

// Bytes is the memory of the process from an address on, as much of n bytes as can be read.
func (c *Call) Bytes(address, n uint64) []byte {
	b := make([]byte, min(n, maxRead))
	if len(b) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	got, err := unix.ProcessVMReadv(c.PID, local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(b)}}, 0)
	if err != nil {
		return nil
	}
	return b[:got]
}

// Written is what a pwrite64 is to write; ok is false if it is another call.
func (c *Call) Written() (b []byte, ok bool) {
	if c.Number != unix.SYS_PWRITE64 {
		return nil, false
	}
	return c.Bytes(c.Args[1], c.Args[2]), true
}

// Sent is what a sendto is to send; ok is false if it is another call.
func (c *Call) Sent() (b []byte, ok bool) {
	if c.Number != unix.SYS_SENDTO {
		return nil, false
	}
	return c.Bytes(c.Args[1], c.Args[2]), true
}

// path is the path at an address. It may not be read up to the end of a page that is followed by none.
func (c *Call) path(address uint64) string {
	const page = 4096
	b := c.Bytes(address, page-address%page)
	if end := bytes.IndexByte(b, 0); end >= 0 {
		return string(b[:end])
	}
	return string(append(b, c.path(address+uint64(len(b)))...))
}
