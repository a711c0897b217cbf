package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"restartrules.dev/pkg/inject"
)

// validateOptions are the flags of `validate`.
type validateOptions struct {
	input  inputOptions
	strict bool
	output choice
}

func newValidateCommand() *cobra.Command {
	var o validateOptions
	cmd := &cobra.Command{
		Use:   "validate -f FILE",
		Short: "Find what is wrong with restart rules",
		Long: `Find all that the webhook would refuse or warn of when the manifests are applied, and unknown fields in
and beside restart rules. Objects without Pod templates are ignored.

Exit codes: 0 no errors, 1 errors (with --strict also warnings), 2 wrong usage or input that can't be read.`,
		Example: `  kubectl restartrules validate -f pod.yaml
  kubectl restartrules validate -f manifests/ -R --strict
  helm template . | kubectl restartrules validate -f - -o json
  kubectl restartrules validate -f manifests/ -o github    # annotations in a GitHub workflow`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.input.addFlags(cmd)
	o.input.required(cmd)
	o.input.addFeatures(cmd.Flags())
	cmd.Flags().BoolVar(&o.strict, "strict", false, "Warnings count as errors do for the exit code.")
	o.output.addFlag(cmd, "text", "json", "github")
	return cmd
}

// summary counts what was looked at.
type summary struct {
	// Checked are Pods and workloads, Ignored other objects.
	Checked  int `json:"checked"`
	Ignored  int `json:"ignored"`
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
}

func (o *validateOptions) run(cmd *cobra.Command) error {
	opts, err := o.input.injectOptions()
	if err != nil {
		return err
	}
	in, err := o.input.read(cmd)
	if err != nil {
		return err
	}
	findings := in.findings
	for _, s := range in.subjects {
		findings = append(findings, s.validate(opts)...)
	}
	in.sort(findings)
	sum := summary{len(in.subjects), in.ignored, count(findings, severityError), count(findings, severityWarning)}
	if err := o.print(cmd.OutOrStdout(), findings, sum); err != nil {
		return err
	}
	switch {
	case in.unread != nil:
		return in.unread
	case sum.Errors > 0 || o.strict && sum.Warnings > 0:
		return errFindings
	}
	return nil
}

// validate finds everything that is wrong with one object.
func (s *subject) validate(opts inject.Options) (findings []finding) {
	for i := range s.pods {
		findings = append(findings, s.unknownFields(&s.pods[i])...)
	}
	if found, is := s.optedOut(); is {
		return append(findings, found...)
	}
	result, err := s.create(opts)
	if err != nil {
		return append(findings, s.undecodable(err))
	}
	return append(append(findings, ofErrors(s.Object, result.Errors)...), ofWarnings(s, result.Warnings)...)
}

func (o *validateOptions) print(w io.Writer, findings []finding, sum summary) error {
	switch o.output.value {
	case "json":
		if findings == nil {
			findings = []finding{}
		}
		return printJSON(w, struct {
			Findings []finding `json:"findings"`
			Summary  summary   `json:"summary"`
		}{findings, sum})
	case "github":
		printFindings(w, findings, (*finding).github)
		return nil
	}
	printFindings(w, findings, (*finding).text)
	_, err := fmt.Fprintf(w, "%s checked, %s ignored: %s, %s\n", plural(sum.Checked, "object"), plural(sum.Ignored, "other"),
		plural(sum.Errors, "error"), plural(sum.Warnings, "warning"))
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
