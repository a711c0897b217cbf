//go:build integration

// Package integration tests the webhook and its manifests against a real API server and etcd, on
// loopback. Nothing else of a cluster runs: Pods are admitted and stored, never started.
//
// It is behind a build tag because it needs binaries that take minutes to build:
//
//	go run ./e2e/cluster build && go test -tags integration ./e2e/integration
package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"restartrules.dev/e2e/apiserver"
	"restartrules.dev/pkg/admission"
	"restartrules.dev/pkg/configuration"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

var version = flag.String("kubernetes-version", apiserver.DefaultVersion, "version of the API server")

const (
	patience = time.Minute
	interval = 20 * time.Millisecond
)

// suite is what all tests share: one API server and one webhook.
type suite struct {
	*apiserver.Server
	client  client.Client
	webhook *webhook
}

var s suite

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctrllog.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "restartrules-integration-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	if s.Server, err = apiserver.Start(dir, *version); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	s.client = s.Client

	if err := installCRDs(); err != nil {
		return 0, err
	}
	installation, err := apiserver.Prepare(dir)
	if err != nil {
		return 0, err
	}
	s.webhook = &webhook{Installation: installation}
	if err := s.webhook.start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.webhook.stop()) }()
	if err := s.Install(installation, filepath.Join("..", "..")); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// kubectl runs kubectl and returns what it says.
func kubectl(stdin []byte, args ...string) (string, error) { return s.Kubectl(stdin, args...) }

// webhook is the webhook as cmd/webhook serves it. It can be stopped and started.
type webhook struct {
	*apiserver.Installation
	cancel context.CancelFunc
	done   chan error
}

func (w *webhook) start() error {
	hook, err := admission.New(inject.Options{}, workload.BuiltIn(), logr.Discard(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	config, err := configuration.Parse([]byte(configured))
	if err != nil {
		return err
	}
	hook.UseNamespaces(config.Options())
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	w.done = make(chan error, 1)
	go func() {
		w.done <- admission.Serve(ctx, hook.Handlers(), admission.ServerOptions{
			Host: "127.0.0.1", Port: w.Port, CertDir: w.CertDir,
			MetricsBindAddress: "0", HealthProbeBindAddress: "127.0.0.1:0",
		})
	}()
	return nil
}

func (w *webhook) stop() error {
	w.cancel()
	return <-w.done
}
