package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"restartrules.dev/pkg/inject"
)

// convertOptions are the flags of `convert`.
type convertOptions struct {
	input  inputOptions
	output choice
	to     choice
}

func newConvertCommand() *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use:   "convert -f FILE",
		Short: "Move restart rules from native fields to the annotation, or back",
		Long: `Move restart rules from the native fields restartPolicy and restartPolicyRules of containers to the
annotation restartrules.dev/rules, which every API server takes and keeps; or, with --to=native, back. Nothing
else changes. A sidecar's restartPolicy: Always stays where it is. Rules that the webhook has lifted into the
annotation restartrules.dev/lifted-rules of a template count as native fields.

What native fields can't say (maxRestarts, within, backoff, Terminate) is an error with --to=native. Comments
in the annotation's document are lost then; others are kept where YAML becomes YAML, the layout may change.

If there is any error nothing is printed.`,
		Example: `  kubectl restartrules convert -f job.yaml > job-annotated.yaml
  kubectl restartrules convert -f job-annotated.yaml --to=native`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.input.addFlags(cmd)
	o.input.required(cmd)
	o.to.values, o.to.value = []string{"annotation", "native"}, "annotation"
	o.to.add(cmd, "to", "", "Where the rules go: annotation or native.")
	o.output.addFlag(cmd, "yaml", "json")
	return cmd
}

func (o *convertOptions) run(cmd *cobra.Command) error {
	return o.input.rewrite(cmd, &o.output, func(s *subject) (ops []inject.Op, findings []finding, err error) {
		for i := range s.pods {
			t := &s.pods[i]
			c, errs, err := newConversion(t)
			if err != nil {
				return nil, []finding{s.undecodable(err)}, nil
			}
			findings = append(append(findings, s.unknownFields(t)...), ofErrors(s.Object, errs)...)
			if len(errs) > 0 {
				continue
			}
			if o.to.value == "native" {
				c.toNative()
			} else if err := c.toAnnotation(); err != nil {
				return nil, nil, fmt.Errorf("%s:%d: %s: %w", s.Document.File, s.Line(under(t, "")), s.ID(), err)
			}
			findings = append(findings, ofErrors(s.Object, c.errs)...)
			ops = append(ops, prefixed(t.Pointer, c.ops)...)
		}
		return ops, findings, nil
	})
}
