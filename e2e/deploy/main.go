// Command deploy installs the product into the cluster that the environment chooses, or removes it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"restartrules.dev/e2e/install"
)

func main() {
	remove := flag.Bool("remove", false, "take it out of the cluster")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *remove); err != nil {
		fmt.Fprintln(os.Stderr, "deploy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, remove bool) error {
	cluster, err := install.Open(ctx, ".", os.Stderr)
	if err != nil {
		return err
	}
	began := time.Now()
	if remove {
		return cluster.Uninstall(ctx)
	}
	if err := cluster.Install(ctx); err != nil {
		return err
	}
	fmt.Printf("installed in %.1fs\nexport KUBECONFIG=%s\n", time.Since(began).Seconds(), cluster.Kubeconfig)
	return nil
}
