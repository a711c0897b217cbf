package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"restartrules.dev/cmd/kubectl-restartrules/internal/existing"
	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
)

// target is the cluster that flags say, and the namespace.
func target(flags *genericclioptions.ConfigFlags) (*rest.Config, string, error) {
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, "", fmt.Errorf("find the cluster: %w", err)
	}
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("find the namespace: %w", err)
	}
	return config, namespace, nil
}

// podName is the name of a Pod as kubectl takes it.
func podName(arg string) string {
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(arg, "pods/"), "pod/"), "po/")
}

// completePods completes the names of injected Pods.
func completePods(flags *genericclioptions.ConfigFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		pods := onPod{connect: live.Connect, cluster: flags}
		return pods.podNames(cmd), cobra.ShellCompDirectiveNoFileComp
	}
}

// explainPods explains Pods of a cluster.
func (o *explainOptions) explainPods(cmd *cobra.Command, names []string) error {
	only, err := parseExits(o.exits)
	if err != nil {
		return err
	}
	config, namespace, err := target(o.cluster)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	list := []*existing.Pod{}
	for _, name := range names {
		pod, err := client.CoreV1().Pods(namespace).Get(cmd.Context(), podName(name), metav1.GetOptions{})
		if err != nil {
			return err
		}
		e, err := existing.Of(pod)
		if err != nil {
			return err
		}
		if only != nil && (e.Pod == nil || !e.Only(only)) {
			return fmt.Errorf("--exit: %s has no container with rules of this name: %s", e.Object, strings.Join(o.exits, ", "))
		}
		list = append(list, e)
	}
	if o.output.value == "json" {
		return printJSON(cmd.OutOrStdout(), list)
	}
	for i, e := range list {
		if i > 0 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		if err := e.Write(cmd.OutOrStdout()); err != nil {
			return err
		}
	}
	return nil
}
