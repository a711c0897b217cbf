package main

import (
	"context"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"restartrules.dev/pkg/admission"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/configuration"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/workload"
)

// serveOptions are the flags of `webhook serve`.
type serveOptions struct {
	server                 admission.ServerOptions
	watcherImage           string
	watcherImagePullPolicy string
	shareProcessNamespace  bool
	readinessPort          int32
	mode                   modeOptions
	podTemplates           []string
	config                 string
	lookups                lookupOptions
	certificates           certificateOptions
	reports                reportOptions
	logLevel               string
	logFormat              string
}

func newServeCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the webhooks for Pods and workloads over HTTPS",
		Long: "Serve the webhooks for Pods and for the kinds that carry Pod templates over HTTPS, until SIGTERM or SIGINT.\n\n" +
			"It needs a certificate and a Service in front. Access to the API server and RBAC it needs for --mode=auto, --pull-secrets," +
			" --reports and --certificates=self-managed only.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.Flags(), cmd.ErrOrStderr())
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *serveOptions) addFlags(flags *pflag.FlagSet) {
	flags.IntVar(&o.server.Port, "port", 9443, "Port of the webhooks.")
	flags.Var((*tlsVersion)(&o.server.MinTLSVersion), "tls-min-version",
		"Oldest version of TLS that is spoken, 1.2 or 1.3. All API servers speak 1.3; something in between may not.")
	flags.StringVar(&o.server.CertDir, "cert-dir", "/etc/restartrules/tls",
		"Directory with tls.crt and tls.key; they are read again when they change.")
	flags.StringVar(&o.server.MetricsBindAddress, "metrics-bind-address", ":8080",
		`Address of /metrics; "0" turns it off.`)
	flags.StringVar(&o.server.HealthProbeBindAddress, "health-probe-bind-address", ":8081",
		"Address of /healthz and /readyz.")
	flags.DurationVar(&o.server.ShutdownDelay, "shutdown-delay", 5*time.Second,
		"How long to take requests after SIGTERM, while /readyz fails already.")
	flags.StringVar(&o.config, "config", "", "File with a Configuration ("+configuration.APIVersion+"). Flags that are given, too, win.")
	flags.StringVar(&o.watcherImage, "watcher-image", "", "Image of the watcher that is injected into Pods. Required here or in the Configuration.")
	flags.StringVar(&o.watcherImagePullPolicy, "watcher-image-pull-policy", "",
		"imagePullPolicy of the injected watcher: Always, IfNotPresent or Never; empty leaves it to the API server.")
	flags.BoolVar(&o.shareProcessNamespace, "share-process-namespace", true,
		"Let the containers of injected Pods share one process namespace, where the Pod does not say.")
	flags.Int32Var(&o.readinessPort, "readiness-port", inject.DefaultReadinessPort,
		"Port in each injected Pod where its watcher says whether the Pod is ready; 0 turns that off, as does hostNetwork in a Pod.")
	o.mode.addFlags(flags, compile.RestartFeature+", "+compile.RestartAllFeature)
	flags.StringArrayVar(&o.podTemplates, "pod-templates", nil,
		"A further kind that carries Pod templates, as group/version/resource=path[,path], for example "+
			"batch.example.com/v1/trainings=spec.workers[*].template; [*] is each item of a list, * each value of a map. "+
			"May be repeated. The webhook configuration must ask about it.")
	o.lookups.addFlags(flags)
	o.certificates.addFlags(flags)
	o.reports.addFlags(flags)
	flags.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error.")
	flags.StringVar(&o.logFormat, "log-format", "json", "json or text.")
}

func (o *serveOptions) run(ctx context.Context, flags *pflag.FlagSet, stderr io.Writer) error {
	if err := o.validate(); err != nil {
		return err
	}
	config, err := o.configuration(flags)
	if err != nil {
		return err
	}
	handler, err := newLogHandler(stderr, o.logLevel, o.logFormat)
	if err != nil {
		return err
	}
	log := logr.FromSlogHandler(handler)
	ctrllog.SetLogger(log)
	klog.SetLogger(log.WithName("client-go"))
	slog.SetDefault(slog.New(handler))
	stdlog.SetOutput(newComplaints(log.WithName("http")))

	kinds, err := o.kinds()
	if err != nil {
		return err
	}
	native, err := compile.ParseFeatures(o.mode.nativeFeatures)
	if err != nil {
		return err // what the file says has been looked at, and what the flag says
	}
	hook, err := admission.New(inject.Options{}, kinds, log.WithName("admission"), ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	settings := config.Options()
	hook.UseNamespaces(func(namespace string) inject.Options {
		options := settings(namespace)
		options.Native, options.ReportURL = native, o.reports.injected()
		return options
	})
	// Lookups end after the last request, which may still want one.
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	resolver, err := o.lookups.resolver(background, ctrlmetrics.Registry)
	if err != nil {
		cancel()
		return err
	}
	if resolver != nil {
		hook.UseImages(images{resolver})
		defer resolver.Wait()
	}
	defer cancel()
	stopMode, err := o.mode.start(hook, &o.server, o.certificates.keep.Namespace, log.WithName("native"), ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	defer stopMode()
	handlers := hook.Handlers()
	reports, stopReports, err := o.reports.serve(&o.server, log.WithName("reports"), ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	defer stopReports()
	if reports != nil {
		handlers[report.Path] = reports
	}
	stopCertificates, err := o.certificates.start(ctx, &o.server, log.WithName("certificates"))
	if err != nil {
		return err
	}
	defer stopCertificates()
	o.server.Registerer = ctrlmetrics.Registry
	return admission.Serve(ctx, handlers, o.server)
}

func (o *serveOptions) validate() error {
	switch policy := corev1.PullPolicy(o.watcherImagePullPolicy); policy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		return fmt.Errorf("--watcher-image-pull-policy is %q, must be Always, IfNotPresent or Never", policy)
	}
	if o.server.Port < 1 || o.server.Port > 65535 {
		return fmt.Errorf("--port is %d, must be in 1..65535", o.server.Port)
	}
	if o.readinessPort < 0 || o.readinessPort > 65535 {
		return fmt.Errorf("--readiness-port is %d, must be in 0..65535", o.readinessPort)
	}
	if o.server.ShutdownDelay < 0 {
		return fmt.Errorf("--shutdown-delay is %v, must not be negative", o.server.ShutdownDelay)
	}
	if err := o.mode.validate(); err != nil {
		return err
	}
	if err := o.certificates.validate(); err != nil {
		return err
	}
	return o.reports.validate()
}

// kinds are the built-in workload kinds and those of --pod-templates.
func (o *serveOptions) kinds() ([]workload.Kind, error) {
	kinds := workload.BuiltIn()
	for _, text := range o.podTemplates {
		k, err := workload.ParseKind(text)
		if err != nil {
			return nil, fmt.Errorf("--pod-templates: %w", err)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

func newLogHandler(w io.Writer, level, format string) (slog.Handler, error) {
	var options slog.HandlerOptions
	var min slog.Level
	if err := min.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level is %q, must be debug, info, warn or error", level)
	}
	options.Level = min
	switch format {
	case "json":
		return slog.NewJSONHandler(w, &options), nil
	case "text":
		return slog.NewTextHandler(w, &options), nil
	default:
		return nil, fmt.Errorf("--log-format is %q, must be json or text", format)
	}
}
