package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// addClusterFlags adds kubectl's own flags, those that kubectl completes with their completion. connect reaches the
// cluster that they say.
func addClusterFlags(cmd *cobra.Command, flags *genericclioptions.ConfigFlags, connect connect) {
	flags.AddFlags(cmd.Flags())
	complete := func(flag string, values func(cmd *cobra.Command) []string) {
		_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return values(cmd), cobra.ShellCompDirectiveNoFileComp
		}) // only fails without the flag
	}
	complete("namespace", func(cmd *cobra.Command) []string { return namespaces(cmd, flags, connect) })
	// A kubeconfig that can't be read has none of them.
	complete("context", func(*cobra.Command) []string {
		config, _ := flags.ToRawKubeConfigLoader().RawConfig()
		return slices.Sorted(maps.Keys(config.Contexts))
	})
	complete("cluster", func(*cobra.Command) []string {
		config, _ := flags.ToRawKubeConfigLoader().RawConfig()
		return slices.Sorted(maps.Keys(config.Clusters))
	})
	complete("user", func(*cobra.Command) []string {
		config, _ := flags.ToRawKubeConfigLoader().RawConfig()
		return slices.Sorted(maps.Keys(config.AuthInfos))
	})
}

// namespaces are those of the cluster; nothing if they can't be listed.
func namespaces(cmd *cobra.Command, flags *genericclioptions.ConfigFlags, connect connect) (names []string) {
	client, err := connect(flags)
	if err != nil {
		return nil
	}
	list, err := client.Kubernetes.CoreV1().Namespaces().List(cmd.Context(), metav1.ListOptions{Limit: podsAtOnce})
	if err != nil {
		return nil
	}
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}
