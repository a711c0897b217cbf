package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"

	"restartrules.dev/pkg/admission"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/certificates"
)

// Where the serving certificate comes from: values of --certificates.
const (
	certificatesFromFiles = "files"
	certificatesOurOwn    = "self-managed"
)

// certificateOptions are the flags for the serving certificate.
type certificateOptions struct {
	source  string
	service string
	keep    certificates.Options
}

func (o *certificateOptions) addFlags(flags *pflag.FlagSet) {
	namespace := os.Getenv(api.PodNamespaceEnv)
	if namespace == "" {
		namespace = "restartrules-system"
	}
	defaults := certificates.Default()
	flags.StringVar(&o.source, "certificates", certificatesFromFiles,
		"Where the serving certificate comes from: "+certificatesFromFiles+", those of --cert-dir; or "+certificatesOurOwn+
			": the webhook issues it, keeps it in a Secret, writes caBundle of the webhook configurations and ca.crt in --cert-dir, "+
			"and replaces it in time. The flags below are for "+certificatesOurOwn+" only.")
	flags.StringVar(&o.keep.Namespace, "namespace", namespace,
		"Namespace of the webhook, its Service and its Secret; by default what "+api.PodNamespaceEnv+" says.")
	flags.StringVar(&o.keep.Secret, "certificate-secret", "restartrules-webhook-self-managed",
		"Name of the Secret of the certificate. It must be there; at first it may be empty.")
	flags.StringVar(&o.keep.Configurations, "webhook-configurations", "restartrules",
		"Name of the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration.")
	flags.StringVar(&o.service, "service", "restartrules-webhook", "Name of the Service, for which the certificate is.")
	flags.StringSliceVar(&o.keep.DNSNames, "certificate-dns-names", nil,
		"DNS names of the certificate, if the API server calls the webhook by others than those of the Service.")
	flags.DurationVar(&o.keep.Validity, "certificate-validity", defaults.Validity, "How long a certificate is valid.")
	flags.DurationVar(&o.keep.RenewBefore, "certificate-renew-before", defaults.RenewBefore,
		"How long before the end of a certificate the next one is made.")
	flags.DurationVar(&o.keep.Overlap, "certificate-overlap", defaults.Overlap,
		"How long clients are told to trust the next certificate before it is used.")
}

func (o *certificateOptions) validate() error {
	switch o.source {
	case certificatesFromFiles:
		return nil
	case certificatesOurOwn:
		if err := o.keep.Validate(); err != nil {
			return fmt.Errorf("--certificate-validity, --certificate-renew-before, --certificate-overlap: %w", err)
		}
		return nil
	default:
		return fmt.Errorf("--certificates is %q, must be %s or %s", o.source, certificatesFromFiles, certificatesOurOwn)
	}
}

// start lets the server serve a certificate of our own, if that is wanted; stop waits until nobody looks after it any
// more.
func (o *certificateOptions) start(ctx context.Context, server *admission.ServerOptions, log logr.Logger) (stop func(), err error) {
	if o.source == certificatesFromFiles {
		return func() {}, nil
	}
	client, err := newClient()
	if err != nil {
		return nil, fmt.Errorf("--certificates=%s: %w", o.source, err)
	}
	keep := o.keep
	keep.CAFile = filepath.Join(server.CertDir, certificates.CAKey)
	if len(keep.DNSNames) == 0 {
		name := o.service + "." + keep.Namespace + ".svc"
		keep.DNSNames = []string{name, name + ".cluster.local"}
	}
	manager, err := certificates.New(client, keep, log)
	if err != nil {
		return nil, err
	}
	server.GetCertificate = manager.GetCertificate
	// The last requests are answered with a certificate too.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		manager.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}, nil
}
