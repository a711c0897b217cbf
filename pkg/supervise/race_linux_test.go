//go:build race

package supervise_test

// The shim under test has the race detector where the tests have it.
var (
	buildFlags       = []string{"-race"}
	buildEnvironment []string
)
