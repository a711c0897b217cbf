package main

import (
	"os"
	"runtime/debug"
)

const (
	// garbage is how much may gather before it is collected, in percent of what is in use: requests leave a lot of it, and
	// little else is in memory. By default, 100, collecting it took a tenth of a request's time.
	garbage = 200
	// memoryLimit is from where on it is collected earlier, in bytes: three quarters of the manifests' limit.
	memoryLimit = 192 << 20
)

// tuneMemory leaves alone what the environment says: GOGC and GOMEMLIMIT.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
