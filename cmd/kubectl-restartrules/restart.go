package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
)

// restartOptions are the flags of `restart`.
type restartOptions struct {
	onPod
	container, reason string
	all               bool
	grace             time.Duration
}

func newRestartCommand(connect connect) *cobra.Command {
	o := &restartOptions{onPod: newOnPod(connect)}
	cmd := o.command(&cobra.Command{
		Use:   "restart POD (--container NAME | --all)",
		Short: "Restart a container, or all of a Pod, in place",
		Long: `Restart in place: one container's command, which is told to stop and started again whatever its exit code, or with
--all the whole Pod, which one of its rules must prepare it for. The Pod stays, with its node, its IP and its volumes.

It counts, waits and is reported as any restart in place: the first is at once, one that follows soon waits for its
back-off. A container that waits for its back-off already starts now. A Pod that has only one container that restarts
in place needs no --container.

It runs a command in the Pod's watcher (create on pods/exec). That is done when the watcher has accepted it; what
becomes of it is in ` + "`status` and `history`" + `. Exit codes: 0 accepted, 1 the Pod refuses, and why, 2 anything else.`,
		Example: `  kubectl restartrules restart trainer-0 --container trainer
  kubectl restartrules restart trainer-0 --all --reason "new data"
  kubectl restartrules restart trainer-0 -c trainer --grace-period 5s`,
	}, o.run)
	cmd.Flags().StringVarP(&o.container, "container", "c", "", "The container to restart.")
	cmd.Flags().BoolVar(&o.all, "all", false, "Restart all containers of the Pod.")
	cmd.Flags().StringVar(&o.reason, "reason", "", "Why, for the log, the Event and the history.")
	cmd.Flags().DurationVar(&o.grace, "grace-period", 0, "How long the container's command may take to end; without it as long as the Pod says. Not with --all.")
	cmd.MarkFlagsMutuallyExclusive("container", "all")
	cmd.MarkFlagsMutuallyExclusive("grace-period", "all")
	o.completeContainers(cmd, "container")
	return cmd
}

func (o *restartOptions) run(cmd *cobra.Command, client *live.Client, pod *live.Pod) error {
	if o.all {
		if err := client.RestartAll(cmd.Context(), pod, o.reason); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "pod/%s: all containers are restarted in place\n", pod.Name)
		return nil
	}
	switch {
	case !cmd.Flags().Changed("grace-period"):
		o.grace = live.PodsGrace
	case o.grace < 0:
		return errors.New("--grace-period must not be negative")
	}
	container, err := theOne(pod, o.container)
	if err != nil {
		return err
	}
	if err := client.RestartContainer(cmd.Context(), pod, container, o.reason, o.grace); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "pod/%s: container %s is restarted in place\n", pod.Name, container)
	return nil
}
