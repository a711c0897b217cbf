// Package total tests that stopping is total: of whatever a container's command may have become,
// nothing is left when its shim says that it is parked. The tests play the watcher and the container
// runtime for the real shim; they need root on Linux and no cluster.
package total
