// Package chaos are the tests of what a restart of a whole Pod survives: watchers and shims that are killed at every point of
// it, disks that are full or read-only, processes and files that can't be had, a kubelet and a containerd that are restarted
// in the middle. They run on a cluster from source of their own. What the application's processes wrote down of themselves
// tells whether a restart was lost, or anything ran twice.
package chaos
