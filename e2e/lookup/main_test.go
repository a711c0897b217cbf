//go:build integration

// Package lookup tests how the webhook looks up entry points when registries fail: the real program as a process of
// its own, asked by a real API server, on loopback.
//
//	go run ./e2e/cluster build && go test -tags integration ./e2e/lookup
package lookup

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"restartrules.dev/e2e/apiserver"
	"restartrules.dev/e2e/cluster/build"
)

const root = "../.."

var version = flag.String("kubernetes-version", apiserver.DefaultVersion, "version of the API server")

// memoryLimit is GOMEMLIMIT of the manifests.
const memoryLimit = "200MiB"

// stopGrace is how long the webhook may take to end.
const stopGrace = 30 * time.Second

var (
	server       *apiserver.Server
	installation *apiserver.Installation
	program      string // the webhook
	work         string // a directory for files
)

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
	if work, err = os.MkdirTemp("", "restartrules-lookup-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	program = filepath.Join(work, "webhook")
	if err := build.Program(context.Background(), "restartrules.dev/cmd/webhook", program); err != nil {
		return 0, err
	}
	if server, err = apiserver.Start(work, *version); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	// A connection for each request, as from as many clients.
	server.Config.NextProtos = []string{"http/1.1"}
	if installation, err = apiserver.Prepare(work); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// webhook is the program as it runs.
type webhook struct {
	command *exec.Cmd
}

// startWebhook runs the webhook with these registries until the test is over, and returns when the API server asks it.
func startWebhook(t *testing.T, registries []map[string]any) *webhook {
	t.Helper()
	text, err := yaml.Marshal(map[string]any{"registries": registries})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "registries.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o644))

	w := &webhook{exec.Command(program, "serve", "--watcher-image=localhost/restartrules/watcher:test",
		"--cert-dir="+installation.CertDir, "--port="+strconv.Itoa(installation.Port),
		"--metrics-bind-address=0", "--health-probe-bind-address=127.0.0.1:0", "--shutdown-delay=0s",
		"--registries="+file, "--log-level=warn", "--log-format=text")}
	w.command.Stdout, w.command.Stderr = t.Output(), t.Output()
	w.command.Env = append(os.Environ(), "KUBECONFIG="+server.Kubeconfig, "GOMEMLIMIT="+memoryLimit)
	require.NoError(t, w.command.Start())
	ended := make(chan error, 1)
	go func() { ended <- w.command.Wait() }()
	t.Cleanup(func() {
		require.NoError(t, w.command.Process.Signal(os.Interrupt))
		select {
		case err := <-ended:
			require.NoError(t, err, "how the webhook ended")
		case <-time.After(stopGrace):
			require.NoError(t, w.command.Process.Kill())
			t.Error("the webhook did not end when told to")
		}
	})
	require.NoError(t, server.Install(installation, root))
	return w
}

// memory reads a field of the process's status, VmRSS or VmHWM, in bytes.
func (w *webhook) memory(t *testing.T, field string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.command.Process.Pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			kilobytes, err := strconv.Atoi(strings.Fields(value)[0])
			require.NoError(t, err)
			return kilobytes << 10
		}
	}
	require.Fail(t, "no such field", field)
	return 0
}

// forgetPeak makes VmHWM what VmRSS is now (proc(5), clear_refs).
func (w *webhook) forgetPeak(t *testing.T) {
	t.Helper()
	require.NoError(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", w.command.Process.Pid), []byte("5"), 0))
}
