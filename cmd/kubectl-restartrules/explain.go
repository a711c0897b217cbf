package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
	"restartrules.dev/pkg/explain"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/rules"
)

// explainOptions are the flags of `explain`.
type explainOptions struct {
	input   inputOptions
	cluster *genericclioptions.ConfigFlags
	exits   []string
	output  choice
}

func newExplainCommand() *cobra.Command {
	o := explainOptions{cluster: genericclioptions.NewConfigFlags(true)}
	cmd := &cobra.Command{
		Use:   "explain (POD... | -f FILE)",
		Short: "Say what happens after each exit of each container",
		Long: `Say for each container and exit code of a Pod, or of the Pods that a workload makes, what will happen, who
does it (the kubelet, or the shim in the container), after which wait, and why: which rule or which policy. And
which containers are wrapped in a shim and why, and what becomes of the Pod's own restartPolicy.

Of a Pod in the cluster it says also who acts on its rules and why, and how often its containers have restarted. It needs
the right to get Pods. A file needs no cluster.

Death by signal n is exit code 128+n: 137 for SIGKILL and out of memory, 143 for SIGTERM.`,
		Example: `  kubectl restartrules explain trainer-0
  kubectl restartrules explain -f pod.yaml
  kubectl restartrules explain -f job.yaml --exit trainer=42 --exit trainer=137
  kubectl get deployment web -o yaml | kubectl restartrules explain -f - -o json
  kubectl restartrules explain -f pod.yaml --native-features=ContainerRestartRules    # as on Kubernetes 1.35`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch files := cmd.Flags().Changed("filename"); {
			case len(args) > 0 && files:
				return errors.New("names of Pods can't be combined with --filename")
			case len(args) > 0:
				return o.explainPods(cmd, args)
			case !files:
				return errors.New("expected the name of a Pod in the cluster, or --filename")
			}
			return o.run(cmd)
		},
	}
	cmd.ValidArgsFunction = completePods(o.cluster)
	addClusterFlags(cmd, o.cluster, live.Connect)
	o.input.addFlags(cmd)
	o.input.addFeatures(cmd.Flags())
	cmd.Flags().StringArrayVar(&o.exits, "exit", nil, "Only this exit of this container, as CONTAINER=CODE. Repeatable.")
	o.output.addFlag(cmd, "table", "json")
	return cmd
}

// explained is the explanation of one Pod or Pod template.
type explained struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Object string `json:"object"`
	// Template is the path of the Pod template; empty for a Pod.
	Template string `json:"template,omitempty"`
	// Pod is nil if nothing is done: there are no rules, or a label keeps them from being applied.
	*explain.Pod
}

func (o *explainOptions) run(cmd *cobra.Command) error {
	only, err := parseExits(o.exits)
	if err != nil {
		return err
	}
	opts, err := o.input.injectOptions()
	if err != nil {
		return err
	}
	in, err := o.input.read(cmd)
	if err != nil {
		return err
	}
	findings, list := in.findings, []explained{}
	for _, s := range in.subjects {
		found := s.validate(opts)
		findings = append(findings, found...)
		if count(found, severityError) > 0 {
			continue
		}
		more, err := s.explain(opts, only)
		if err != nil {
			return err
		}
		for _, e := range more {
			if only == nil || e.Pod != nil && e.Only(only) {
				list = append(list, e)
			}
		}
	}
	in.sort(findings)
	printFindings(cmd.ErrOrStderr(), findings, (*finding).text)
	if err := o.print(cmd.OutOrStdout(), list); err != nil {
		return err
	}
	switch {
	case in.unread != nil:
		return in.unread
	case count(findings, severityError) > 0:
		return errFindings
	case len(list) == 0 && only != nil:
		return fmt.Errorf("--exit: no Pod with restart rules has a container of this name: %s", strings.Join(o.exits, ", "))
	}
	return nil
}

// explain explains the Pod or each Pod template of an object without errors. only are the exits that
// were asked for.
func (s *subject) explain(opts inject.Options, only map[string][]int) (list []explained, err error) {
	_, pods, err := s.created(opts)
	if err != nil {
		return nil, err
	}
	for i := range pods {
		e := explained{File: s.Document.File, Line: s.Line(under(&pods[i], "")), Object: s.ID(), Template: under(&pods[i], "")}
		list = append(list, e)
		if optsOut(&pods[i]) {
			continue
		}
		compiled, _, _, err := inject.Compile(pods[i].JSON, pods[i].Path, opts)
		if err != nil {
			return nil, err
		}
		if compiled != nil {
			list[i].Pod = explain.Explain(compiled)
			if only != nil {
				list[i].Phase = explain.Phase(compiled, only)
			}
		}
	}
	return list, nil
}

func (o *explainOptions) print(w io.Writer, list []explained) error {
	if o.output.value == "json" {
		return printJSON(w, list)
	}
	for i, e := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		heading := fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Object)
		if e.Template != "" {
			heading += ": " + e.Template
		}
		if _, err := fmt.Fprintln(w, heading); err != nil {
			return err
		}
		if e.Pod == nil {
			fmt.Fprintln(w, "  No restart rules to apply: the kubelet follows the Pod's restartPolicy.")
			continue
		}
		if err := e.WriteTable(w); err != nil {
			return err
		}
	}
	return nil
}

// parseExits are the exit codes asked for by container; nil if there are none.
func parseExits(exits []string) (map[string][]int, error) {
	var only map[string][]int
	for _, text := range exits {
		name, number, _ := strings.Cut(text, "=")
		code, err := strconv.Atoi(number)
		if name == "" || err != nil || code < 0 || code >= rules.Codes {
			return nil, fmt.Errorf("--exit is %q, expected CONTAINER=CODE with a code 0..255", text)
		}
		if only == nil {
			only = map[string][]int{}
		}
		only[name] = append(only[name], code)
	}
	return only, nil
}
