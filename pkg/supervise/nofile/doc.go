//go:build !linux || !(amd64 || arm64)

// Package nofile is empty here: it exists on Linux, for amd64 and arm64.
package nofile
