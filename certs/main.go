// Command certs makes the serving certificate of the webhook, for clusters without cert-manager.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"restartrules.dev/certs/selfsigned"
)

func main() {
	if err := newCommand().Execute(); err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	var namespace, service, out string
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "Make the serving certificate of the webhook",
		Long: "Make a CA certificate, and a serving certificate for the webhook's Service with its key. " +
			"What is there and valid for more than 30 days is kept.",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			renewed, err := selfsigned.Ensure(out, serviceNames(service, namespace), time.Now())
			if err != nil {
				return fmt.Errorf("make certificates in %s: %w", out, err)
			}
			what := "kept"
			if renewed {
				what = "made"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s, %s and %s in %s\n",
				what, selfsigned.CAFile, selfsigned.CertFile, selfsigned.KeyFile, out)
			return nil
		},
	}
	cmd.Flags().StringVar(&namespace, "namespace", "restartrules-system", "Namespace of the Service.")
	cmd.Flags().StringVar(&service, "service", "restartrules-webhook", "Name of the Service.")
	cmd.Flags().StringVar(&out, "out", "manifests/overlays/self-signed", "Directory for ca.crt, tls.crt and tls.key.")
	return cmd
}

// serviceNames are the names by which a Service is called; the API server uses the first.
func serviceNames(service, namespace string) []string {
	name := service + "." + namespace + ".svc"
	return []string{name, name + ".cluster.local"}
}
