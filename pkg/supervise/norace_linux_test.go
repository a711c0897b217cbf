//go:build !race

package supervise_test

// As it is shipped, see the Makefile.
var (
	buildFlags       = []string{"-trimpath", "-ldflags=-s -w -E restartrules.dev/pkg/sysmon.entry"}
	buildEnvironment = []string{"CGO_ENABLED=0", "GOEXPERIMENT=nogreenteagc"}
)
