// Package tracer stops a process at the system calls that a test names, to kill it there or to have the call
// fail: for tests of what is left behind when that happens. It works on Linux, on amd64 and arm64.
package tracer
