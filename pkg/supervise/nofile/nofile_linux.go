//go:build amd64 || arm64

// Package nofile knows how many files this process could open when it was started. The syscall
// package raises the soft limit as it is initialised, and gives it back only to programs that it
// starts itself; programs that use select, or close every descriptor that there might be, want it low.
//
// Packages are initialised in the order of their import paths, but for those they import. So this
// one comes before syscall, as long as it imports nothing.
package nofile

// Original is RLIMIT_NOFILE as this process was given it: the soft and the hard limit. Both 0: it
// could not be read.
var Original = original()

func original() (limit [2]uint64) {
	read(&limit)
	return limit
}

// read leaves the limit as it is if the kernel gives an error.
//
//go:noescape
func read(limit *[2]uint64)
