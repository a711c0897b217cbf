package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
	"restartrules.dev/pkg/api"
)

const (
	// pauseTimeout is how long the kubelet may take to bring an annotation into a Pod: its sync period and the
	// volume's (upstream: pkg/kubelet/apis/config/v1beta1/defaults.go, SyncFrequency), and some.
	pauseTimeout = 150 * time.Second
	// pauseLook is the pause between two looks whether it has.
	pauseLook = 500 * time.Millisecond
)

// pauseOptions are the flags of `pause` and `resume`.
type pauseOptions struct {
	onPod
	containers []string
	wait       bool
	timeout    time.Duration
}

func newPauseCommand(connect connect) *cobra.Command {
	o := &pauseOptions{onPod: newOnPod(connect)}
	cmd := o.command(&cobra.Command{
		Use:   "pause POD [--container NAME...]",
		Short: "Have no rule act: exits follow the Pod's own restartPolicy",
		Long: `Put the brake on: while a Pod is paused no rule of it acts, its containers' own restartPolicy neither, and nothing is
restarted on demand. An exit is followed by what the Pod's restartPolicy says. What is under way is finished: a restart
of the whole Pod, a back-off. Exits are not counted against any limit meanwhile. With --container only for these.

It is the annotation ` + api.PausedAnnotation + ` on the Pod (patch on pods), which the kubelet brings into it: neither the
webhook nor the right to run commands in the Pod is needed. That takes the kubelet a second or two, and up to a minute
and a half. The command waits until the Pod says that its shims know, as far as it can see that: in what the Pod
reports, or by asking its watcher. Exit codes: 0 paused, or that can't be seen; 1 the Pod refuses; 2 anything else.`,
		Example: `  kubectl restartrules pause trainer-0
  kubectl restartrules pause trainer-0 --container trainer
  kubectl restartrules pause trainer-0 --wait=false`,
	}, func(cmd *cobra.Command, client *live.Client, pod *live.Pod) error {
		paused := api.PausedAll
		if len(o.containers) > 0 {
			for _, name := range o.containers {
				if _, err := pod.Container(name); err != nil {
					return err
				}
			}
			paused = strings.Join(o.containers, ",")
		}
		return o.set(cmd, client, pod, paused)
	})
	cmd.Flags().StringSliceVarP(&o.containers, "container", "c", nil, "Only these containers.")
	o.completeContainers(cmd, "container")
	o.addFlags(cmd)
	return cmd
}

func newResumeCommand(connect connect) *cobra.Command {
	o := &pauseOptions{onPod: newOnPod(connect)}
	cmd := o.command(&cobra.Command{
		Use:   "resume POD",
		Short: "Have the rules of a paused Pod act again",
		Long: `Let go of the brake that ` + "`pause`" + ` has put on. What has ended meanwhile is not started again by this.

The exit codes are those of ` + "`pause`.",
		Example: `  kubectl restartrules resume trainer-0`,
	}, func(cmd *cobra.Command, client *live.Client, pod *live.Pod) error { return o.set(cmd, client, pod, "") })
	o.addFlags(cmd)
	return cmd
}

func (o *pauseOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.wait, "wait", true, "Wait until the Pod's shims know.")
	cmd.Flags().DurationVar(&o.timeout, "timeout", pauseTimeout, "How long to wait.")
}

// set has the annotation say that, and waits until the Pod's shims know.
func (o *pauseOptions) set(cmd *cobra.Command, client *live.Client, pod *live.Pod, paused string) error {
	done := "resumed: its rules act"
	if paused != "" {
		done = "paused: no rule acts"
		if paused != api.PausedAll {
			done += " on containers " + paused
		}
	}
	if err := client.SetPaused(cmd.Context(), pod, paused); err != nil {
		return err
	}
	out, log := cmd.OutOrStdout(), cmd.ErrOrStderr()
	if !o.wait {
		fmt.Fprintf(out, "pod/%s will be %s, within a minute and a half\n", pod.Name, done)
		return nil
	}
	fmt.Fprintln(log, "The annotation is set. The kubelet brings it into the Pod, which can take a minute and a half; waiting …")
	ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
	defer cancel()
	err := client.AwaitPaused(ctx, pod, paused, pauseLook)
	switch {
	case errors.Is(err, live.ErrCantSee):
		fmt.Fprintf(out, "pod/%s will be %s, within a minute and a half; when can't be seen from here: %v\n", pod.Name, done, err)
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("pod %s/%s has not taken up its annotation %s within %s: it will when its kubelet and its watcher run; `kubectl logs %s -c %s` has what the watcher says",
			pod.Namespace, pod.Name, api.PausedAnnotation, o.timeout, pod.Name, api.WatcherContainer)
	case err != nil:
		return err
	}
	fmt.Fprintf(out, "pod/%s is %s\n", pod.Name, done)
	return nil
}
