//go:build linux

// Command watcher is the sidecar of an injected Pod. serve is what its container runs, install and
// terminating are its postStart and preStop hooks, and ready its readinessProbe beside the proxy of a
// service mesh; journal, history and paused print what the Pod went through, for kubectl exec. See
// docs/architecture.md.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"restartrules.dev/pkg/api"
	_ "restartrules.dev/pkg/oneproc"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/probe/ready"
	_ "restartrules.dev/pkg/sysmon"
	"restartrules.dev/pkg/watcher"
)

// shimPath is the shim in the watcher's own image.
const shimPath = "/shim"

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(os.Args[1:], log); err != nil {
		log.Error("watcher failed", "error", err)
		// A hook's output is shown in the Pod's event when it fails.
		fmt.Println("restartrules: " + err.Error())
		os.Exit(1)
	}
}

func run(args []string, log *slog.Logger) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: watcher install|serve|terminating|ready|journal|history|paused")
	}
	switch args[0] {
	case "journal":
		return printJournal(os.Stdout)
	case "history":
		return printHistory(os.Stdout)
	}
	p, err := plan.Decode(os.Getenv(api.PlanEnv))
	if err != nil {
		return fmt.Errorf("environment variable %s: %w", api.PlanEnv, err)
	}
	volume := watcher.Volume{Root: api.MountPath, Containers: p.Wrapped()}
	switch args[0] {
	case "install":
		if err := volume.Install(shimPath); err != nil {
			return err
		}
		// Before any other container starts.
		_, err := volume.Pause(p)
		return err
	case "paused":
		return printPaused(os.Stdout, volume, p)
	case "terminating":
		if err := volume.MarkPod(); err != nil {
			return err
		}
		if err := volume.TellDeletion(); err != nil {
			log.Warn("the watcher could not be told that the Pod is being deleted", "error", err)
		}
		return nil
	case "ready":
		return ready.Ask("127.0.0.1:" + strconv.Itoa(int(p.ReadinessPort)))
	case "serve":
		// A restart leaves some KB of garbage. By default 4 MB of it may gather, in every Pod. With 25 it is 1 MB: with
		// less there is a collection in the midst of the start, whose bookkeeping stays.
		debug.SetGCPercent(25)
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		return watcher.Serve(ctx, volume, p, log)
	}
	return fmt.Errorf("unknown command %q: expected install, serve, terminating, ready, journal, history or paused", args[0])
}
