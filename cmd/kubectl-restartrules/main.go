// Command kubectl-restartrules is the kubectl plugin of Restart Rules: it shows what has become of Pods, and steers them,
// finds what is wrong with an installation, and validates, injects, converts and explains manifests without a cluster, with
// the code of the webhook.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
)

// Exit codes.
const (
	exitFindings = 1
	exitUsage    = 2
)

// errFindings ends a command whose findings have been printed.
var errFindings = errors.New("there are errors in the manifests")

// inputErrors are errors of reading; each begins with the file, and the line where there is one.
type inputErrors []error

func (e inputErrors) Error() string { return errors.Join(e...).Error() }

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return runCommand(newCommand(), args, stdin, stdout, stderr)
}

func runCommand(cmd *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.Execute()
	var unread inputErrors
	var refused *live.Refusal
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.As(err, &unread):
		fmt.Fprintln(stderr, err)
		return exitUsage
	case errors.As(err, &refused):
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return exitFindings
	default:
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return exitUsage
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-restartrules",
		Short: "See and steer what restarts in place; validate, explain, inject and convert restart rules",
		Long: `See what has restarted in place in the Pods of a cluster, and why; steer them; and find out what keeps restart rules
from being applied. And validate, inject, convert and explain the restart rules of manifests, without a cluster: with
the code of the Restart Rules webhook, which does the same when they are applied.

Exit codes: 0 fine; 1 there are errors in the manifests or findings, or what was asked for can't be done to that Pod;
2 wrong usage, or input or a cluster that can't be read.

For completion behind kubectl put an executable kubectl_complete-restartrules into PATH:

  #!/bin/sh
  exec kubectl restartrules __complete "$@"`,
		Example: `  kubectl restartrules status -A
  kubectl restartrules check
  kubectl restartrules explain trainer-0
  kubectl restartrules history trainer-0
  kubectl restartrules logs trainer-0 -c trainer --attempt -1
  kubectl restartrules restart trainer-0 --all --reason "new data"
  kubectl restartrules pause trainer-0
  kubectl restartrules validate -f manifests/ -R
  kubectl restartrules convert -f job.yaml
  kubectl restartrules inject -f pod.yaml --image=example.com/restartrules:v1 | kubectl apply -f -`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl restartrules"},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newValidateCommand(), newInjectCommand(), newConvertCommand(), newExplainCommand(), newStatusCommand(), newCheckCommand())
	root.AddCommand(liveCommands(live.Connect)...)
	return root
}
