//go:build linux

// Command shape is a container's command that makes it hard to be rid of it. Each process that is to
// be there for the test writes a line to stdout.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	name, argument := os.Args[1], 0
	if len(os.Args) > 2 {
		argument, _ = strconv.Atoi(os.Args[2])
	}
	switch name {
	case "pause": // PID 1 of a Pod's namespace: has nothing to do but to reap
		signal.Ignore(syscall.SIGCHLD)
	case "levels": // a tree of that many levels, two children each
		if argument > 1 {
			start(nil, "levels", strconv.Itoa(argument-1))
			start(nil, "levels", strconv.Itoa(argument-1))
		}
	case "daemons": // that many processes that left the session, and whose parent has ended
		for range argument {
			middle := start(&syscall.SysProcAttr{Setsid: true}, "daemon")
			check(middle.Wait())
		}
	case "daemon":
		start(&syscall.SysProcAttr{Setsid: true}, "sleep")
		os.Exit(0)
	case "deaf": // that many children, and like them takes notice of no signal
		ignoreAll()
		for range argument {
			start(nil, "deaf")
		}
	case "nobody": // that many children of another user
		for range argument {
			start(&syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, "sleep")
		}
	case "bomb": // processes that do nothing but make more of themselves
		up()
		bomb(false, false)
	case "bomb-sessions": // each in a session of its own
		up()
		bomb(true, false)
	case "bomb-flees": // that many which end as soon as they have made one other, in its own session
		for range argument {
			start(nil, "flee")
		}
	case "flee":
		up()
		bomb(true, true)
	case "sleep":
	default:
		check(fmt.Errorf("unknown shape %q", name))
	}
	up()
	for {
		time.Sleep(time.Hour)
	}
}

// up says that this process is there.
func up() {
	_, err := os.Stdout.WriteString("up\n")
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "shape:", err)
		os.Exit(1)
	}
}

// start starts this program again.
func start(attributes *syscall.SysProcAttr, arguments ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", arguments...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, attributes
	check(cmd.Start())
	return cmd
}

func ignoreAll() {
	for n := syscall.Signal(1); n <= 64; n++ {
		signal.Ignore(n)
	}
}

// bomb makes processes as fast as the kernel can. Nothing but system calls may happen in them: they
// have but one thread of what the Go runtime needs.
func bomb(sessions, flee bool) {
	for {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		switch {
		case errno != 0: // the limit is reached; go on
		case pid == 0:
			if sessions {
				_, _, _ = syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0)
			}
		case flee:
			_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
}
