package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
	"restartrules.dev/cmd/kubectl-restartrules/internal/cluster"
	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
)

// errLeftOut ends a check that found nothing, and could not look at everything.
var errLeftOut = errors.New("not everything could be checked")

// checkOptions are the flags of `check`.
type checkOptions struct {
	cluster *genericclioptions.ConfigFlags
	input   inputOptions
	before  bool
	output  choice
}

func newCheckCommand() *cobra.Command {
	o := checkOptions{cluster: genericclioptions.NewConfigFlags(true)}
	cmd := &cobra.Command{
		Use:   "check [--pre | POD... | -f FILE]",
		Short: "Find out whether the cluster is set up",
		Long: `Find out whether restart rules are applied in the cluster, and what keeps them from being applied: each finding has a
code (docs/codes.md), and a command that puts it right. Nothing is written: Pods are created in dry runs only.

With --pre, before an installation: whether the cluster can take it, what the user may not do, and what the cluster
does itself. With --namespace only that namespace is looked at.

Exit codes: 0 nothing wrong, 1 there are findings, 2 there are none, but not everything could be checked, or wrong usage.
What is left out, and which right it needs, is said.`,
		Example: `  kubectl restartrules check
  kubectl restartrules check --pre
  kubectl restartrules check trainer-0
  kubectl restartrules check -f job.yaml
  kubectl restartrules check -n my-namespace -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.before && (len(args) > 0 || cmd.Flags().Changed("filename")) {
				return errors.New("--pre can't be combined with Pods")
			}
			return o.run(cmd, args)
		},
	}
	cmd.ValidArgsFunction = completePods(o.cluster)
	addClusterFlags(cmd, o.cluster, live.Connect)
	o.input.addFlags(cmd)
	cmd.Flags().BoolVar(&o.before, "pre", false, "Check a cluster in which nothing is installed yet.")
	o.output.addFlag(cmd, "text", "json", "yaml")
	return cmd
}

func (o *checkOptions) run(cmd *cobra.Command, pods []string) error {
	config, namespace, err := target(o.cluster)
	if err != nil {
		return err
	}
	wanted, err := o.wanted(cmd, namespace, pods)
	if err != nil {
		return err
	}
	reader, err := cluster.New(config, o.only(wanted))
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	result, err := o.judge(cmd, reader, wanted)
	if err != nil {
		return err
	}
	if err := o.print(cmd, result); err != nil {
		return err
	}
	switch {
	case len(result.Findings) > 0:
		return errFindings
	case len(result.LeftOut) > 0:
		return errLeftOut
	}
	return nil
}

// wantedPod is a Pod that is asked about: one of the cluster, or the Pod or Pod template of a file.
type wantedPod struct {
	namespace, name string
	// object is how it is called, template what it is; empty for one of the cluster.
	object   string
	template []byte
}

func (o *checkOptions) wanted(cmd *cobra.Command, namespace string, pods []string) (list []wantedPod, err error) {
	for _, name := range pods {
		list = append(list, wantedPod{namespace: namespace, name: podName(name)})
	}
	if len(o.input.filenames) == 0 {
		return list, nil
	}
	in, err := o.input.read(cmd)
	if err != nil {
		return nil, err
	}
	if in.unread != nil {
		return nil, in.unread
	}
	for _, s := range in.subjects {
		for i := range s.pods {
			t := &s.pods[i]
			w := wantedPod{namespace: cmp.Or(s.Namespace, namespace), object: s.ID(), template: t.JSON}
			if path := under(t, ""); path != "" {
				w.object += ": " + path
			}
			list = append(list, w)
		}
	}
	return list, nil
}

// only is the namespace that is looked at: that of the Pods that are asked about, without any that of --namespace;
// empty: all are.
func (o *checkOptions) only(wanted []wantedPod) string {
	if len(wanted) == 0 {
		return *o.cluster.Namespace
	}
	for _, w := range wanted {
		if w.namespace != wanted[0].namespace {
			return ""
		}
	}
	return wanted[0].namespace
}

func (o *checkOptions) judge(cmd *cobra.Command, reader *cluster.Reader, wanted []wantedPod) (*check.Result, error) {
	if o.before {
		read, err := reader.ReadBefore(cmd.Context())
		if err != nil {
			return nil, err
		}
		return check.JudgeBefore(read), nil
	}
	read, err := reader.Read(cmd.Context())
	if err != nil {
		return nil, err
	}
	var subjects []check.Subject
	for _, w := range wanted {
		var s check.Subject
		if w.template == nil {
			s, err = reader.Pod(cmd.Context(), w.namespace, w.name)
		} else {
			s, err = reader.Template(cmd.Context(), w.object, w.namespace, w.template)
		}
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, s)
	}
	return check.Judge(read, subjects...)
}

func (o *checkOptions) print(cmd *cobra.Command, result *check.Result) error {
	out := cmd.OutOrStdout()
	switch o.output.value {
	case "json":
		return printJSON(out, result)
	case "yaml":
		text, err := yaml.Marshal(result)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		_, err = out.Write(text)
		return err
	}
	return result.Write(out, check.Colours(os.Getenv("NO_COLOR") == "" && printers.IsTerminal(out)))
}
