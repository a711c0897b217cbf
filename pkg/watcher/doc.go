// Package watcher is what the sidecar of an injected Pod does: it installs the shim into the Pod's
// shared volume, listens to the shims, tells them when the Pod is being deleted, and logs what
// happens. It links nothing of Kubernetes.
//
// It exists on Linux only.
package watcher
