package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
	"restartrules.dev/cmd/kubectl-restartrules/internal/status"
	"restartrules.dev/pkg/report"
)

func newHistoryCommand(connect connect) *cobra.Command {
	o := newOnPod(connect)
	var output choice
	cmd := o.command(&cobra.Command{
		Use:   "history POD",
		Short: "Show the last restarts in place of a Pod, and when it was paused",
		Long: `Show the last 50 restarts in place of a Pod, the newest last: of single containers and of the whole Pod, by rules and
on demand, and when it was paused and resumed. They are kept in the Pod, whether reports are on or not, so they can be
read when Events have expired and while the webhook is down; what the kubelet restarts is not among them.

It runs a command in the Pod's watcher (create on pods/exec). Where that can't be done it shows what the Pod has
reported last: up to 10 restarts. Exit codes: 0 fine, 1 neither can be had, 2 anything else.`,
		Example: `  kubectl restartrules history trainer-0
  kubectl restartrules history trainer-0 -o wide
  kubectl restartrules history trainer-0 -o json`,
	}, func(cmd *cobra.Command, client *live.Client, pod *live.Pod) error {
		entries, why, err := client.History(cmd.Context(), pod)
		if err != nil {
			return err
		}
		if why != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %v: this is what the Pod has reported last\n", why)
		}
		return printHistory(cmd, entries, output.value)
	})
	output.addFlag(cmd, "table", "wide", "json", "yaml")
	return cmd
}

func printHistory(cmd *cobra.Command, entries []report.Restart, form string) error {
	out := cmd.OutOrStdout()
	if entries == nil {
		entries = []report.Restart{}
	}
	switch form {
	case "json":
		return printJSON(out, entries)
	case "yaml":
		return printYAML(out, entries)
	}
	if len(entries) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "Nothing has restarted in place.")
		return nil
	}
	return status.History(out, entries, form == "wide", time.Now())
}

func printYAML(out io.Writer, value any) error {
	text, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err = out.Write(text)
	return err
}
