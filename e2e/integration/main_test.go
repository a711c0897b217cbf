//go:build integration

// Package integration tests the webhook and its manifests against a real API server and etcd, on
// loopback. Nothing else of a cluster runs: Pods are admitted and stored, never started.
//
// It is behind a build tag because it needs binaries that take minutes to build:
//
//	go run ./e2e/cluster build && go test -tags integration ./e2e/integration
package integration

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"restartrules.dev/certs/selfsigned"
	"restartrules.dev/e2e/cluster/build"
	"restartrules.dev/pkg/admission"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

// binariesEnv names a directory with kube-apiserver, etcd and kubectl to use instead of those that
// the cluster builds.
const binariesEnv = "RESTARTRULES_BINARIES"

var version = flag.String("kubernetes-version", "1.35.4", "version of the API server")

const (
	patience = time.Minute
	interval = 20 * time.Millisecond
)

// suite is what all tests share: one API server and one webhook.
type suite struct {
	client     client.Client
	env        *envtest.Environment
	kubectl    string
	kubeconfig string
	webhook    *webhook
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

	if err := startAPIServer(dir); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.env.Stop()) }()

	if err := installCRDs(); err != nil {
		return 0, err
	}
	s.webhook = &webhook{certDir: filepath.Join(dir, "manifests", "overlays", "self-signed")}
	if s.webhook.port, err = freePort(); err != nil {
		return 0, err
	}
	if err := s.webhook.start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.webhook.stop()) }()
	if err := installManifests(filepath.Join(dir, "manifests")); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// binary returns the path of a program, or an error that says how to get it.
func binary(name, component string) (string, error) {
	pattern := filepath.Join(os.Getenv(binariesEnv), name)
	if os.Getenv(binariesEnv) == "" {
		cache, err := build.CacheDir()
		if err != nil {
			return "", err
		}
		pattern = filepath.Join(cache, "bin", component+"-*", name)
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("no %s at %s; build it with: go run ./e2e/cluster build --version %s", name, pattern, *version)
	}
	return found[0], nil
}

// startAPIServer starts etcd and an API server that has neither of the feature gates.
func startAPIServer(dir string) error {
	s.env = &envtest.Environment{}
	kubernetes := "kubernetes-v" + *version
	server := s.env.ControlPlane.GetAPIServer()
	s.env.ControlPlane.Etcd = &envtest.Etcd{}
	for _, program := range []struct {
		path            *string
		name, component string
	}{
		{&server.Path, "kube-apiserver", kubernetes},
		{&s.kubectl, "kubectl", kubernetes},
		{&s.env.ControlPlane.Etcd.Path, "etcd", "etcd"},
	} {
		var err error
		if *program.path, err = binary(program.name, program.component); err != nil {
			return err
		}
	}
	server.Configure().Append("feature-gates", "ContainerRestartRules=false", "RestartAllContainersOnContainerExits=false")
	config, err := s.env.Start()
	if err != nil {
		return fmt.Errorf("start the API server: %w", err)
	}
	config.QPS, config.Burst = -1, -1
	config.WarningHandlerWithContext = nil
	if s.client, err = client.New(config, client.Options{}); err != nil {
		return err
	}
	s.kubeconfig = filepath.Join(dir, "kubeconfig")
	return os.WriteFile(s.kubeconfig, s.env.KubeConfig, 0o600)
}

// installManifests applies a copy of manifests/ with kubectl, as a user does, and then points the
// webhook configurations at the loopback address, where there is no Service.
func installManifests(dir string) error {
	for _, part := range []string{"base", "overlays/self-signed/kustomization.yaml"} {
		if err := copyTree(filepath.Join("..", "..", "manifests", part), filepath.Join(dir, part)); err != nil {
			return err
		}
	}
	if out, err := kubectl(nil, "apply", "--server-side", "-k", s.webhook.certDir); err != nil {
		return fmt.Errorf("apply the manifests: %w\n%s", err, out)
	}

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	local := func(config *admissionregistrationv1.WebhookClientConfig) {
		if config.Service != nil {
			config.URL = ptr.To(fmt.Sprintf("https://localhost:%d%s", s.webhook.port, *config.Service.Path))
			config.Service = nil
		}
	}
	name := client.ObjectKey{Name: "restartrules"}
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	if err := s.client.Get(ctx, name, &mutating); err != nil {
		return err
	}
	for i := range mutating.Webhooks {
		local(&mutating.Webhooks[i].ClientConfig)
	}
	if err := s.client.Update(ctx, &mutating); err != nil {
		return err
	}
	var validating admissionregistrationv1.ValidatingWebhookConfiguration
	if err := s.client.Get(ctx, name, &validating); err != nil {
		return err
	}
	for i := range validating.Webhooks {
		local(&validating.Webhooks[i].ClientConfig)
	}
	if err := s.client.Update(ctx, &validating); err != nil {
		return err
	}
	return waitForWebhook(ctx)
}

// waitForWebhook waits until the API server has noticed the configurations.
func waitForWebhook(ctx context.Context) error {
	for {
		pod := newPod("default", withRules(42), withLabel("restartrules.dev/inject", "enabled"))
		err := s.client.Create(ctx, pod, client.DryRunAll)
		if err == nil && isInjected(pod) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API server does not call the webhook: %w", errors.Join(ctx.Err(), err))
		case <-time.After(interval):
		}
	}
}

// kubectl runs kubectl and returns what it says.
func kubectl(stdin []byte, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.kubectl, append([]string{"--kubeconfig", s.kubeconfig}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func copyTree(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644))
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// webhook is the webhook as cmd/webhook serves it. It can be stopped and started.
type webhook struct {
	certDir string
	port    int
	cancel  context.CancelFunc
	done    chan error
}

func (w *webhook) start() error {
	if _, err := selfsigned.Ensure(w.certDir, []string{"localhost"}, time.Now()); err != nil {
		return err
	}
	hook, err := admission.New(inject.Options{
		Image: "localhost/restartrules/watcher:test", ImagePullPolicy: corev1.PullIfNotPresent, ShareProcessNamespace: true,
	}, workload.BuiltIn(), logr.Discard(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	w.done = make(chan error, 1)
	go func() {
		w.done <- admission.Serve(ctx, hook.Handlers(), admission.ServerOptions{
			Host: "127.0.0.1", Port: w.port, CertDir: w.certDir,
			MetricsBindAddress: "0", HealthProbeBindAddress: "127.0.0.1:0",
		})
	}()
	return nil
}

func (w *webhook) stop() error {
	w.cancel()
	return <-w.done
}
