// Command reporter tells the webhook what the watcher, which starts it, has to tell: what has become of the
// Pod. It ends when there is nothing more to tell.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report/deliver"
)

func main() {
	debug.SetGCPercent(25) // it shares the watcher's small memory limit
	var o deliver.Options
	flag.StringVar(&o.URL, "url", "", "where reports go")
	flag.StringVar(&o.TokenFile, "token-file", api.ReportPath+"/"+api.ReportTokenFile, "the Pod's token")
	flag.StringVar(&o.CAFile, "ca-file", api.ReportPath+"/"+api.ReportCAKey, "the certificates to trust")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := deliver.Serve(ctx, os.Stdin, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
