package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
	"restartrules.dev/pkg/api"
)

// connect reaches the cluster that the flags say. Tests have one of their own.
type connect func(*genericclioptions.ConfigFlags) (*live.Client, error)

// liveCommands are the commands about one Pod of a cluster.
func liveCommands(connect connect) []*cobra.Command {
	return []*cobra.Command{newRestartCommand(connect), newPauseCommand(connect), newResumeCommand(connect), newHistoryCommand(connect), newLogsCommand(connect)}
}

// onPod is what the commands have in common that are about one Pod of a cluster.
type onPod struct {
	connect connect
	cluster *genericclioptions.ConfigFlags
}

func newOnPod(connect connect) onPod {
	return onPod{connect: connect, cluster: genericclioptions.NewConfigFlags(true)}
}

// command makes the command, with the flags of kubectl and completion of the Pod's name.
func (o *onPod) command(cmd *cobra.Command, run func(cmd *cobra.Command, client *live.Client, pod *live.Pod) error) *cobra.Command {
	cmd.Args = onePod
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := o.connect(o.cluster)
		if err != nil {
			return err
		}
		pod, err := client.Pod(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return run(cmd, client, pod)
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return o.podNames(cmd), cobra.ShellCompDirectiveNoFileComp
	}
	addClusterFlags(cmd, o.cluster, o.connect)
	return cmd
}

func onePod(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("expected the name of one Pod, got %d", len(args))
	}
	return nil
}

// podNames are the injected Pods of the namespace; nothing if they can't be listed.
func (o *onPod) podNames(cmd *cobra.Command) (names []string) {
	client, err := o.connect(o.cluster)
	if err != nil {
		return nil
	}
	pods, err := client.Kubernetes.CoreV1().Pods(client.Namespace).List(cmd.Context(), metav1.ListOptions{
		LabelSelector: api.ModeLabel + "=" + api.ModeEmulated, Limit: podsAtOnce})
	if err != nil {
		return nil
	}
	for i := range pods.Items {
		names = append(names, pods.Items[i].Name)
	}
	return names
}

// completeContainers completes a flag with the names of the Pod's containers that restart in place.
func (o *onPod) completeContainers(cmd *cobra.Command, flag string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := o.connect(o.cluster)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		pod, err := client.Pod(cmd.Context(), args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return pod.Restarts(), cobra.ShellCompDirectiveNoFileComp
	}) // only fails without the flag
}

// theOne is the container that is meant if none is named: the only one that restarts in place.
func theOne(pod *live.Pod, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	if names := pod.Restarts(); len(names) != 1 {
		return "", fmt.Errorf("pod %s/%s has several containers that restart in place: name one with --container (%s)", pod.Namespace, pod.Name, strings.Join(names, ", "))
	}
	return pod.Restarts()[0], nil
}
