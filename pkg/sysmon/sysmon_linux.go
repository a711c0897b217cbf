//go:build amd64 || arm64

// Package sysmon has the monitor of the Go runtime, a thread of its own, look after the others less often.
//
// While anything runs, and for 10 ms after, it looks every 20 µs, for goroutines that take too long and system calls that
// don't return. A program that now and then does something for some tens of microseconds, as all of ours in a Pod do, is
// woken more by that than by what it has to do, on processors that are wanted. There is no setting for it in Go. But the
// kernel may let a thread sleep longer than it asks for, by the thread's timer slack, if it is told so: until the processor
// has something to do anyway. Threads get it from the one that makes them; the monitor is made before any code of a program
// runs. So a program has to begin here: link it with -ldflags='-E restartrules.dev/pkg/sysmon.entry', and import the package.
// Linked without, nothing changes.
package sysmon

import "syscall"

// original is the timer slack that the process began with, in ns; 0: it did not begin with entry.
var original uintptr

// entry notes the timer slack, makes it 1 ms, and goes on to where programs begin.
//
//lint:ignore U1000 the linker is told its name
func entry()

// All other threads, but for the few that the monitor makes, come from the one that this runs on.
func init() { Restore() }

// Restore gives the calling thread the timer slack that the process began with. What the thread starts, or executes in this
// process's place, gets it.
func Restore() {
	if original != 0 {
		_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, original, 0)
	}
}

const prSetTimerSlack = 29
