package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
	"restartrules.dev/cmd/kubectl-restartrules/internal/status"
	"restartrules.dev/pkg/api"
)

// statusOptions are the flags of `status`.
type statusOptions struct {
	cluster  *genericclioptions.ConfigFlags
	selector string
	all      bool
	watch    bool
	output   choice
}

func newStatusCommand() *cobra.Command {
	o := statusOptions{cluster: genericclioptions.NewConfigFlags(true)}
	cmd := &cobra.Command{
		Use:   "status [POD | TYPE/NAME]...",
		Short: "Show what has restarted in place, why and how often",
		Long: `Show the containers of Pods that restart in place: how often the kubelet has restarted them (RESTARTS), how often
they have restarted in place, and the last restart that each has caused.

What is known of restarts in place is the annotation ` + api.StatusAnnotation + `, which the webhook writes if reports are
turned on. Pods that were never heard of show ` + "`<unknown>`" + `, which is not the same as 0.`,
		Example: `  kubectl restartrules status
  kubectl restartrules status trainer-0 -o wide
  kubectl restartrules status job/training statefulset/server
  kubectl restartrules status -A -l app=training --watch
  kubectl restartrules status trainer-0 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	cmd.ValidArgsFunction = completePods(o.cluster)
	addClusterFlags(cmd, o.cluster, live.Connect)
	cmd.Flags().StringVarP(&o.selector, "selector", "l", "", "Only Pods with these labels.")
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "Pods of all namespaces.")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "Go on, and show again what changes.")
	o.output.addFlag(cmd, "table", "wide", "json", "yaml")
	return cmd
}

func (o *statusOptions) run(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && (o.all || o.selector != "") {
		return fmt.Errorf("names can't be combined with --all-namespaces and --selector")
	}
	config, err := o.cluster.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	namespace, _, err := o.cluster.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return fmt.Errorf("find the namespace: %w", err)
	}
	if o.all {
		namespace = metav1.NamespaceAll
	}
	wanted, err := want(cmd.Context(), o.cluster, namespace, o.selector, args)
	if err != nil {
		return err
	}
	return o.show(cmd, client, wanted)
}

func (o *statusOptions) show(cmd *cobra.Command, client kubernetes.Interface, wanted *wantedPods) error {
	pods, err := wanted.read(cmd.Context(), client)
	if err != nil {
		return err
	}
	columns := status.Columns{Namespace: o.all, Wide: o.output.value == "wide"}
	watch := statusWatch{warnings: cmd.ErrOrStderr(), wanted: wanted, columns: columns, shown: map[types.UID]string{},
		all: o.output.value == "json" || o.output.value == "yaml"}
	list, silent := []status.Pod{}, 0
	for i := range pods {
		p, err := status.Of(&pods[i])
		if err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "Warning:", err)
			continue
		}
		if !p.Reported {
			silent++
		}
		list = append(list, p)
		watch.shown[pods[i].UID] = watch.withoutTime(p)
	}
	if o.watch {
		columns.Below = new([]int)
	}
	if err := o.print(cmd, list, columns, silent); err != nil || !o.watch {
		return err
	}
	watch.show = func(p status.Pod) error { return o.print(cmd, []status.Pod{p}, columns, 0) }
	return watch.run(cmd.Context(), client)
}

func (o *statusOptions) print(cmd *cobra.Command, list []status.Pod, columns status.Columns, silent int) error {
	out := cmd.OutOrStdout()
	switch o.output.value {
	case "json":
		return printJSON(out, list)
	case "yaml":
		text, err := yaml.Marshal(list)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		if o.watch {
			text = append([]byte("---\n"), text...)
		}
		_, err = out.Write(text)
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "No Pods that restart in place found.")
		return nil
	}
	if err := status.Table(out, list, columns, time.Now()); err != nil {
		return err
	}
	if silent > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "Pods that were never heard of: %d. Reports are off, or were when these Pods were made, or can't reach the webhook (docs/reports.md).\n", silent)
	}
	return nil
}
