// Package supervise is what a shim does: it runs a container's command as its child, forwards
// signals to it, reaps, and when it has ended does what the container's exit table says: start it
// again in place, or end with its exit code.
//
// It exists on Linux only, and imports little: it is linked into the binary that runs in every
// wrapped container.
package supervise
