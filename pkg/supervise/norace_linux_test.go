//go:build !race

package supervise_test

// As it is shipped.
var buildFlags = []string{"-trimpath", "-ldflags=-s -w"}
