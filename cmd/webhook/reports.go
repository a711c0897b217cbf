package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"restartrules.dev/pkg/admission"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/report/receive"
	"restartrules.dev/pkg/report/trust"
	"restartrules.dev/pkg/report/write"
)

// reportOptions are the flags about reports of watchers.
type reportOptions struct {
	enabled         bool
	url             string
	caFile          string
	namespace       string
	writesPerSecond int
}

// caFile is beside the certificate in Secrets that cert-manager and `go run ./certs` make.
const caFile = "ca.crt"

// flushTime is how long what was reported may take to be written when the webhook ends.
const flushTime = 10 * time.Second

func (o *reportOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.enabled, "reports", false,
		"Have watchers report what becomes of their Pods, and write it as Events, condition and annotation. Needs manifests/components/reports.")
	flags.StringVar(&o.url, "reports-url", "https://restartrules-webhook.restartrules-system.svc"+report.Path,
		"Where Pods reach this webhook. The certificate must be for the host's name.")
	flags.StringVar(&o.caFile, "reports-ca-file", "",
		"CA certificates by which Pods know the webhook, published in the namespaces that opted in. Empty: "+caFile+" in --cert-dir.")
	flags.StringVar(&o.namespace, "reports-namespace", "restartrules-system", "Namespace of the webhook.")
	flags.IntVar(&o.writesPerSecond, "reports-writes-per-second", write.DefaultWritesPerSecond,
		"How many requests that write what was reported each replica makes in any second.")
}

func (o *reportOptions) validate() error {
	if !o.enabled {
		return nil
	}
	if u, err := url.Parse(o.url); err != nil || u.Scheme != "https" || u.Host == "" || u.Path != report.Path {
		return fmt.Errorf("--reports-url is %q, must be https://HOST[:PORT]%s", o.url, report.Path)
	}
	if o.writesPerSecond < 2 {
		return fmt.Errorf("--reports-writes-per-second is %d, must be at least 2", o.writesPerSecond)
	}
	return nil
}

// injected is the URL that Pods are given; empty: none.
func (o *reportOptions) injected() string {
	if !o.enabled {
		return ""
	}
	return o.url
}

// serve begins to take reports until stop is called, which waits until what was taken is written, for a
// while. The handler is nil if reports are off.
func (o *reportOptions) serve(server *admission.ServerOptions, log logr.Logger, registry prometheus.Registerer) (handler http.Handler, stop func(), err error) {
	if !o.enabled {
		return nil, func() {}, nil
	}
	client, err := newClient()
	if err != nil {
		return nil, nil, fmt.Errorf("--reports: %w", err)
	}
	writer, err := write.New(client, log, registry, write.Options{WritesPerSecond: o.writesPerSecond})
	if err != nil {
		return nil, nil, err
	}
	taker, err := receive.New(receive.NewReviewer(client.AuthenticationV1().TokenReviews()), writer, log, registry)
	if err != nil {
		return nil, nil, err
	}
	gate, err := receive.NewGate(registry)
	if err != nil {
		return nil, nil, err
	}
	server.Hello = gate.Hello
	file := o.caFile
	if file == "" {
		file = filepath.Join(server.CertDir, caFile)
	}
	publisher := trust.New(client, o.namespace, file, log)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := publisher.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			log.Error(err, "the CA certificates are not published")
		}
	})
	all.Go(func() { writer.Run(ctx, flushTime) })
	return taker, func() { cancel(); all.Wait() }, nil
}
