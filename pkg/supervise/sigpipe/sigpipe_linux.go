//go:build amd64 || arm64

// Package sigpipe delivers the signals of this process together with who sent them. The os/signal
// package has only the number; a supervisor in a container has to know whether a signal came from
// outside its PID namespace (the container runtime stopping the container) or from inside it.
//
// The handler is a few lines of assembly that write the head of siginfo_t to a pipe. Faults and the
// signals that the Go runtime sends itself go on to the Go runtime.
package sigpipe

import (
	"syscall"
	"unsafe"
)

// Signal is one signal as the kernel delivered it.
type Signal struct {
	Number syscall.Signal
	// Code is siginfo's si_code: 0 (SI_USER) for kill(2), positive if the kernel raised it.
	Code int32
	// PID is the sender's process id in this process's PID namespace, 0 if it is not in there.
	PID int32
	UID uint32
}

// FromOutside says whether a process outside this PID namespace sent the signal with kill(2), as
// container runtimes do. A process inside can't forge it: the kernel fills these fields.
func (s Signal) FromOutside() bool { return s.Code == 0 && s.PID == 0 }

// recordSize is how much of siginfo_t goes through the pipe: si_signo, si_errno, si_code, padding,
// si_pid, si_uid.
const recordSize = 24

const lastSignal = 64

// sigaction is the kernel's struct for rt_sigaction, the same on amd64 and arm64.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const ignore = 1 // SIG_IGN

// Read by the handler in assembly, which staticcheck does not see.
var (
	//lint:ignore U1000 see above
	pipeFD int32
	//lint:ignore U1000 see above
	selfPID int32
	// next is the handler that was there before, by signal number; 0: none.
	next [lastSignal + 1]uintptr
)

//lint:ignore U1000 handlerAddress gives its address
func handler()
func handlerAddress() uintptr

// Pipe is the reading end. There is one a process.
type Pipe struct{ fd int }

// Install catches every signal that can be caught, but for SIGCHLD and for signals that are ignored now, so that
// children go on to ignore them. SIGCHLD has its default, by which the kernel doesn't send it: whoever waits for
// children has no use for it, and it wakes the thread that started the child. It must be called once.
func Install() (*Pipe, error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		return nil, err
	}
	// The handler must never block. What doesn't fit (2,700 signals unread) is lost, as the kernel
	// loses standard signals that are already pending.
	if err := syscall.SetNonblock(fds[1], true); err != nil {
		return nil, err
	}
	pipeFD, selfPID = int32(fds[1]), int32(syscall.Getpid())

	// The Go runtime has a handler for SIGTERM on its own signal stack; ours wants the same flags.
	model, err := swap(syscall.SIGTERM, nil)
	if err != nil {
		return nil, err
	}
	if _, err := swap(syscall.SIGCHLD, new(sigaction)); err != nil {
		return nil, err
	}
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, 32, 33: // 32 and 33 belong to the C library
			continue
		}
		old, err := swap(n, nil)
		if err != nil || old.handler == ignore {
			continue
		}
		next[n] = old.handler
		ours := model
		ours.handler = handlerAddress()
		if _, err := swap(n, &ours); err != nil {
			return nil, err
		}
	}
	return &Pipe{fd: fds[0]}, nil
}

// Caught is the set of signals that have a handler in this process, bit n-1 for signal n.
func Caught() (set uint64) {
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		if old, err := swap(n, nil); err == nil && old.handler > ignore {
			set |= 1 << (n - 1)
		}
	}
	return set
}

// Next waits for a signal.
func (p *Pipe) Next() (Signal, error) {
	var record [recordSize]byte
	for {
		n, err := syscall.Read(p.fd, record[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return Signal{}, err
		}
		if n != recordSize { // the writes are atomic, so this is the end
			return Signal{}, syscall.EPIPE
		}
		field := func(at int) int32 { return *(*int32)(unsafe.Pointer(&record[at])) }
		return Signal{
			Number: syscall.Signal(field(0)),
			Code:   field(8),
			PID:    field(16),
			UID:    uint32(field(20)),
		}, nil
	}
}

// swap sets the action for signal n if action is given, and returns the one before.
func swap(n syscall.Signal, action *sigaction) (sigaction, error) {
	var old sigaction
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(n),
		uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(&old)), unsafe.Sizeof(old.mask), 0, 0)
	if errno != 0 {
		return old, errno
	}
	return old, nil
}
