package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"restartrules.dev/cmd/kubectl-restartrules/internal/status"
	"restartrules.dev/pkg/api"
)

// podsAtOnce is how many Pods the API server is asked for at once.
const podsAtOnce = 500

// statusOptions are the flags of `status`.
type statusOptions struct {
	cluster  *genericclioptions.ConfigFlags
	selector string
	all      bool
	output   choice
}

func newStatusCommand() *cobra.Command {
	o := statusOptions{cluster: genericclioptions.NewConfigFlags(true)}
	cmd := &cobra.Command{
		Use:   "status [POD...]",
		Short: "Show what has restarted in place, why and how often",
		Long: `Show the containers of Pods that restart in place: how often the kubelet has restarted them (RESTARTS), how often
they have restarted in place, and the last restart that each has caused.

What is known of restarts in place is the annotation ` + api.StatusAnnotation + `, which the webhook writes if reports are
turned on. Pods that were never heard of show ` + "`<unknown>`" + `, which is not the same as 0.`,
		Example: `  kubectl restartrules status
  kubectl restartrules status trainer-0 -o wide
  kubectl restartrules status -A -l app=training
  kubectl restartrules status trainer-0 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.cluster.AddFlags(cmd.Flags())
	cmd.Flags().StringVarP(&o.selector, "selector", "l", "", "Only Pods with these labels.")
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "Pods of all namespaces.")
	o.output.addFlag(cmd, "table", "wide", "json", "yaml")
	return cmd
}

func (o *statusOptions) run(cmd *cobra.Command, names []string) error {
	if len(names) > 0 && (o.all || o.selector != "") {
		return fmt.Errorf("names of Pods can't be combined with --all-namespaces and --selector")
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
	pods, err := o.pods(cmd, client, namespace, names)
	if err != nil {
		return err
	}
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
	}
	return o.print(cmd, list, silent)
}

// pods are the injected Pods that are asked for.
func (o *statusOptions) pods(cmd *cobra.Command, client kubernetes.Interface, namespace string, names []string) (pods []corev1.Pod, err error) {
	for _, name := range names {
		name = strings.TrimPrefix(strings.TrimPrefix(name, "pods/"), "pod/")
		pod, err := client.CoreV1().Pods(namespace).Get(cmd.Context(), name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		if pod.Annotations[api.PlanAnnotation] == "" {
			return nil, fmt.Errorf("pod %s/%s has no restart rules that were applied by Restart Rules: `kubectl restartrules explain` says why, from its manifest", namespace, name)
		}
		pods = append(pods, *pod)
	}
	if len(names) > 0 {
		return pods, nil
	}
	selector := api.ModeLabel + "=" + api.ModeEmulated
	if o.selector != "" {
		selector += "," + o.selector
	}
	options := metav1.ListOptions{LabelSelector: selector, Limit: podsAtOnce}
	for {
		page, err := client.CoreV1().Pods(namespace).List(cmd.Context(), options)
		if apierrors.IsResourceExpired(err) { // it took too long; from the start, all at once
			options.Limit, options.Continue, pods = 0, "", nil
			continue
		}
		if err != nil {
			return nil, err
		}
		pods = append(pods, page.Items...)
		if options.Continue = page.Continue; options.Continue == "" {
			return pods, nil
		}
	}
}

func (o *statusOptions) print(cmd *cobra.Command, list []status.Pod, silent int) error {
	out := cmd.OutOrStdout()
	switch o.output.value {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(list)
	case "yaml":
		text, err := yaml.Marshal(list)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		_, err = out.Write(text)
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "No Pods that restart in place found.")
		return nil
	}
	if err := status.Table(out, list, status.Columns{Namespace: o.all, Wide: o.output.value == "wide"}, time.Now()); err != nil {
		return err
	}
	if silent > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d Pods were never heard of: reports are off, or were when these Pods were made, or can't reach the webhook (docs/reports.md).\n", silent)
	}
	return nil
}
