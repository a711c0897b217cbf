// Package apiserver runs a real API server and etcd on loopback, with our webhook configurations in it. Nothing else
// of a cluster runs: Pods are admitted and stored, never started.
package apiserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"restartrules.dev/e2e/cluster/build"
)

// BinariesEnv names a directory with kube-apiserver, etcd and kubectl to use instead of those that
// the cluster builds.
const BinariesEnv = "RESTARTRULES_BINARIES"

// DefaultVersion is the Kubernetes version that tests run unless they are told otherwise.
const DefaultVersion = "1.35.4"

const (
	patience = time.Minute
	interval = 20 * time.Millisecond
)

// Server is an API server that runs.
type Server struct {
	Client client.Client
	// Config is the administrator's, without a limit of requests.
	Config *rest.Config
	// Kubeconfig is the path of a file that says the same.
	Kubeconfig string

	// Environment is how it runs.
	Environment *envtest.Environment

	kubectl string
}

// Start starts etcd and an API server of that Kubernetes version that has neither of the feature gates, with further
// flags, name to value. The binaries must be there: the error says how to build them. The kubeconfig is put into dir.
func Start(dir, version string, flags ...map[string]string) (*Server, error) {
	s := &Server{Environment: &envtest.Environment{}, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	server := s.Environment.ControlPlane.GetAPIServer()
	s.Environment.ControlPlane.Etcd = &envtest.Etcd{}
	for _, program := range []struct {
		path            *string
		name, component string
	}{
		{&server.Path, "kube-apiserver", "kubernetes-v" + version},
		{&s.kubectl, "kubectl", "kubernetes-v" + version},
		{&s.Environment.ControlPlane.Etcd.Path, "etcd", "etcd"},
	} {
		var err error
		if *program.path, err = binary(program.name, program.component, version); err != nil {
			return nil, err
		}
	}
	server.Configure().Append("feature-gates", "ContainerRestartRules=false", "RestartAllContainersOnContainerExits=false")
	for _, some := range flags {
		for name, value := range some {
			server.Configure().Set(name, value)
		}
	}
	config, err := s.Environment.Start()
	if err != nil {
		return nil, fmt.Errorf("start the API server: %w", err)
	}
	config.QPS, config.Burst = -1, -1
	config.WarningHandler = rest.NoWarnings{}
	s.Config = config
	if s.Client, err = client.New(config, client.Options{}); err != nil {
		return nil, err
	}
	return s, os.WriteFile(s.Kubeconfig, s.Environment.KubeConfig, 0o600)
}

// Stop ends the API server and etcd.
func (s *Server) Stop() error { return s.Environment.Stop() }

// binary returns the path of a program, or an error that says how to get it.
func binary(name, component, version string) (string, error) {
	pattern := filepath.Join(os.Getenv(BinariesEnv), name)
	if os.Getenv(BinariesEnv) == "" {
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
		return "", fmt.Errorf("no %s at %s; build it with: go run ./e2e/cluster build --version %s", name, pattern, version)
	}
	return found[0], nil
}

// Kubectl runs kubectl as the administrator and returns what it says.
func (s *Server) Kubectl(stdin []byte, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.kubectl, append([]string{"--kubeconfig", s.Kubeconfig}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// FreePort is a port of loopback that nobody listens at.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
