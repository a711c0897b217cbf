//go:build e2e

package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// defaulterEnv has the test binary serve the defaulter instead of testing: "PORT DIRECTORY-OF-THE-CERTIFICATE".
const defaulterEnv = "RESTARTRULES_BENCH_DEFAULTER"

const defaulterPath = "/mutate-pods"

// appender is the usual way to write such a webhook: it changes a decoded Pod, and controller-runtime finds out what
// has changed.
type appender struct{}

func (appender) Default(_ context.Context, pod *corev1.Pod) error {
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "watcher", Image: "example.com/watcher:1", Command: []string{"/watcher"}})
	return nil
}

func newDefaulter() http.Handler {
	ctrllog.SetLogger(logr.Discard())
	return admission.WithDefaulter(scheme.Scheme, admission.Defaulter[*corev1.Pod](appender{}))
}

// serveDefaulter serves until the process is killed.
func serveDefaulter() {
	var port, dir string
	_, err := fmt.Sscan(os.Getenv(defaulterEnv), &port, &dir)
	var number int
	if err == nil {
		number, err = strconv.Atoi(port)
	}
	if err == nil {
		server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: number, CertDir: dir, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.MinVersion, c.NextProtos = tls.VersionTLS13, []string{"http/1.1"}
		}}})
		server.Register(defaulterPath, newDefaulter())
		err = server.Start(context.Background())
	}
	fmt.Fprintln(os.Stderr, "defaulter:", err)
	os.Exit(1)
}
