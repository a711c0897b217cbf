package main

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"restartrules.dev/pkg/admission"
	"restartrules.dev/pkg/native"
)

// Values of --mode.
const (
	modeEmulate = "emulate"
	modeAuto    = "auto"
	modeObserve = "observe"
)

// modeOptions are the flags that say what is done at all.
type modeOptions struct {
	mode           string
	nativeFeatures []string
}

func (o *modeOptions) validate() error {
	switch o.mode {
	case modeEmulate, modeObserve:
	case modeAuto:
		if len(o.nativeFeatures) > 0 {
			return fmt.Errorf("--native-features says what --mode=%s finds out: leave one of them out", modeAuto)
		}
	default:
		return fmt.Errorf("--mode is %q, must be %s, %s or %s", o.mode, modeEmulate, modeAuto, modeObserve)
	}
	return nil
}

// start has the hook do what the mode says; stop waits until nothing looks at the cluster any more.
func (o *modeOptions) start(hook *admission.Webhook, server *admission.ServerOptions, namespace string, log logr.Logger, registry prometheus.Registerer) (stop func(), err error) {
	switch o.mode {
	case modeObserve:
		hook.Observe()
	case modeAuto:
		client, err := newClient()
		if err != nil {
			return nil, fmt.Errorf("--mode=%s: %w", o.mode, err)
		}
		detector, err := native.New(client, namespace, log, registry)
		if err != nil {
			return nil, err
		}
		hook.UseNative(detector.Features)
		server.Ready = detector.Ready
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := detector.Run(ctx); err != nil && ctx.Err() == nil {
				log.Error(err, "what the cluster does itself is not found out any more")
			}
		}()
		return func() { cancel(); <-done }, nil
	}
	return func() {}, nil
}

func (o *modeOptions) addFlags(flags *pflag.FlagSet, features string) {
	flags.StringVar(&o.mode, "mode", modeEmulate,
		modeEmulate+": apply restart rules to all Pods that have any; "+
			modeAuto+": only what the API server and all nodes do not apply themselves, which is found out and looked at again as nodes change "+
			"(needs manifests/components/native); "+
			modeObserve+": change and refuse nothing, but say what would be.")
	flags.StringSliceVar(&o.nativeFeatures, "native-features", nil,
		"Feature gates that API server and kubelets have on, comma-separated: "+features+
			". What they do is left to them; native fields of Pod templates stay where they are.")
}
