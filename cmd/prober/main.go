// Command prober performs httpGet and grpc probes for the watcher, which starts it only in Pods that have
// such probes. It reads a probe.Request per line from stdin, writes a probe.Reply per line to stdout, and
// ends when stdin does.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"restartrules.dev/pkg/probe/network"
)

func main() {
	debug.SetGCPercent(25) // it shares the watcher's small memory limit
	if err := network.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prober:", err)
		os.Exit(1)
	}
}
