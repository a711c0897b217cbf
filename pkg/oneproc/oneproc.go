// Package oneproc lets a program that links it run Go code on one thread at a time, from before it allocates.
//
// The Go runtime begins with as many processors as there are CPUs, each with its own free memory. What the second one has
// touched by the time the runtime takes it away (200 KB of a shim, if main had got there) stays, and nobody uses it. Packages
// are initialised in the order of their import paths, but for those they import. So this one, which imports the runtime
// alone, comes before all that allocate much.
package oneproc

import "runtime"

func init() { runtime.GOMAXPROCS(1) }
