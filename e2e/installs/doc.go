// Package installs tests on a cluster from source what a platform team does: install with kustomize and with Helm, with
// certificates of cert-manager and of our own, apply it again, upgrade, remove; and that none of it is noticed by whoever
// creates Pods meanwhile.
package installs
