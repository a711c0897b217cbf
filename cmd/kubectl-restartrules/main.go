// Command kubectl-restartrules is the kubectl plugin of Restart Rules: it validates, injects, converts
// and explains manifests without a cluster, with the code of the webhook, and shows what has become of Pods.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
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
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.Execute()
	var unread inputErrors
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.As(err, &unread):
		fmt.Fprintln(stderr, err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return exitUsage
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-restartrules",
		Short: "Validate, inject, convert and explain restart rules, without a cluster; show what has restarted",
		Long: `Validate, inject, convert and explain the restart rules of manifests, without a cluster: with the code of
the Restart Rules webhook, which does the same when they are applied. And show what has become of the Pods of a cluster.

Exit codes: 0 fine, 1 there are errors in the manifests, 2 wrong usage or input that can't be read.

For completion behind kubectl put an executable kubectl_complete-restartrules into PATH:

  #!/bin/sh
  exec kubectl restartrules __complete "$@"`,
		Example: `  kubectl restartrules validate -f manifests/ -R
  kubectl restartrules explain -f pod.yaml --exit trainer=42
  kubectl restartrules convert -f job.yaml
  kubectl restartrules status -A
  kubectl restartrules inject -f pod.yaml --image=example.com/restartrules:v1 | kubectl apply -f -`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl restartrules"},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newValidateCommand(), newInjectCommand(), newConvertCommand(), newExplainCommand(), newStatusCommand())
	return root
}
