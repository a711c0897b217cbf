//go:build linux

package main

import (
	"errors"
	"strings"
	"syscall"
)

// arguments reads this process's arguments from the kernel. The os package has them too, and costs
// a tenth of the binary.
func arguments() ([]string, error) {
	fd, err := syscall.Open("/proc/self/cmdline", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.New("can't read /proc/self/cmdline: " + err.Error())
	}
	defer syscall.Close(fd)
	text := make([]byte, 0, 4096)
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := syscall.Read(fd, text[len(text):cap(text)])
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return nil, errors.New("can't read /proc/self/cmdline: " + err.Error())
		case n == 0:
			return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), nil
		default:
			text = text[:len(text)+n]
		}
	}
}
