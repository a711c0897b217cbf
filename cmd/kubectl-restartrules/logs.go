package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/cmd/kubectl-restartrules/internal/attempts"
	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
	"restartrules.dev/pkg/api"
)

// logsOptions are the flags of `logs`.
type logsOptions struct {
	onPod
	container                string
	attempt                  int
	list, follow, timestamps bool
}

func newLogsCommand(connect connect) *cobra.Command {
	o := &logsOptions{onPod: newOnPod(connect)}
	cmd := o.command(&cobra.Command{
		Use:   "logs POD [--container NAME]",
		Short: "Show the log of one attempt of a container's command",
		Long: `Show what one attempt of a container's command has written: a container that restarts in place has one log for all of
them, which this cuts at the lines that the container's shim writes between two.

--attempt 0, the default, is the attempt that runs, or the last one; -1 the one before, as ` + "`kubectl logs --previous`" + `
shows the container before; -2 the one before that. A positive number is the attempt of that number, as in --list, in
those lines, and in the attempt file; the count goes on when the kubelet restarts the container. Only what is in the log
can be shown: the kubelet rotates it, and keeps that of the container and of the one before.

Standard output and standard error reach the log by ways of their own: lines that were written to standard output in the
last moment of an attempt, or in the first of the next, can stand on the other side of the line between.

It needs get on pods/log. Exit codes: 0 fine, 1 there is no such attempt or no such line, 2 anything else.`,
		Example: `  kubectl restartrules logs trainer-0 -c trainer --attempt -1
  kubectl restartrules logs trainer-0 -c trainer --list
  kubectl restartrules logs trainer-0 -c trainer -f`,
	}, o.run)
	cmd.Flags().StringVarP(&o.container, "container", "c", "", "The container.")
	cmd.Flags().IntVar(&o.attempt, "attempt", 0, "Which attempt: 0 the last, -1 the one before, or a number from 1.")
	cmd.Flags().BoolVar(&o.list, "list", false, "List the attempts.")
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "Follow the last attempt until it ends.")
	cmd.Flags().BoolVar(&o.timestamps, "timestamps", false, "Show when each line was written.")
	cmd.MarkFlagsMutuallyExclusive("list", "follow")
	cmd.MarkFlagsMutuallyExclusive("list", "attempt")
	cmd.MarkFlagsMutuallyExclusive("follow", "attempt")
	o.completeContainers(cmd, "container")
	return cmd
}

func (o *logsOptions) run(cmd *cobra.Command, client *live.Client, pod *live.Pod) error {
	container, err := theOne(pod, o.container)
	if err != nil {
		return err
	}
	if _, err := pod.Container(container); err != nil {
		return err
	}
	if pod.Annotations[api.SeamAnnotation] == "off" {
		return pod.Refuse("has no lines between its attempts (annotation %s: \"off\"): `kubectl logs` has all that was written", api.SeamAnnotation)
	}
	list, last, err := o.read(cmd, client, pod, container)
	if err != nil {
		return err
	}
	if o.list {
		return attempts.Table(cmd.OutOrStdout(), list)
	}
	at, err := attempts.Find(list, o.attempt)
	if err != nil {
		return pod.Refuse("container %s: %v", container, err)
	}
	o.print(cmd.OutOrStdout(), list[at].Lines)
	if !o.follow {
		return nil
	}
	return o.followFrom(cmd, client, pod, container, last)
}

// read reads the log of the container, and of the one before if there was one. last is when its last line was written.
func (o *logsOptions) read(cmd *cobra.Command, client *live.Client, pod *live.Pod, container string) (list []attempts.Attempt, last time.Time, err error) {
	lines, err := readLog(cmd, client, pod, corev1.PodLogOptions{Container: container, Timestamps: true})
	if err != nil {
		return nil, last, err
	}
	if len(lines) > 0 {
		last = lines[len(lines)-1].At
	}
	runs, restarts := [][]attempts.Attempt{attempts.Cut(lines, container)}, pod.KubeletRestarts(container)
	if restarts > 0 && !o.follow {
		before, err := readLog(cmd, client, pod, corev1.PodLogOptions{Container: container, Timestamps: true, Previous: true})
		if err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "Warning: the log before the kubelet's last restart of the container can't be had: %v\n", err)
			return attempts.Join(false, runs...), last, nil
		}
		runs = slices.Insert(runs, 0, attempts.Cut(before, container))
	}
	return attempts.Join(restarts == int32(len(runs)-1), runs...), last, nil
}

func readLog(cmd *cobra.Command, client *live.Client, pod *live.Pod, options corev1.PodLogOptions) ([]attempts.Line, error) {
	log, err := client.Logs(cmd.Context(), pod.Pod, options)
	if err != nil {
		return nil, err
	}
	lines, err := attempts.Read(log)
	return lines, errors.Join(err, log.Close())
}

func (o *logsOptions) print(out io.Writer, lines []attempts.Line) {
	for _, line := range lines {
		if o.timestamps {
			fmt.Fprint(out, line.At.Format(time.RFC3339Nano), " ")
		}
		fmt.Fprintln(out, line.Text)
	}
}

// followFrom shows what is written after that, until the attempt ends.
func (o *logsOptions) followFrom(cmd *cobra.Command, client *live.Client, pod *live.Pod, container string, after time.Time) error {
	options := corev1.PodLogOptions{Container: container, Timestamps: true, Follow: true}
	if !after.IsZero() {
		options.SinceTime = &metav1.Time{Time: after.Truncate(time.Second)}
	}
	log, err := client.Logs(cmd.Context(), pod.Pod, options)
	if err != nil {
		return err
	}
	err = attempts.Follow(log, container, after, func(line attempts.Line) { o.print(cmd.OutOrStdout(), []attempts.Line{line}) })
	return errors.Join(err, log.Close())
}
