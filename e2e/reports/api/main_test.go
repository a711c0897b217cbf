//go:build integration

package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"restartrules.dev/certs/selfsigned"
	"restartrules.dev/e2e/apiserver"
	"restartrules.dev/pkg/api"
)

const (
	root      = "../../.."
	system    = "restartrules-system"
	component = root + "/manifests/components/reports/rbac.yaml"
	patience  = time.Minute
	lookAgain = 20 * time.Millisecond
)

// s is what all tests share: one API server, and one webhook as a process of its own, with the permissions that
// the manifests give it.
var s struct {
	*apiserver.Server
	api     kubernetes.Interface
	dir     string
	webhook *webhook
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctrllog.SetLogger(logr.Discard())
	if s.dir, err = os.MkdirTemp("", "restartrules-reports-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	audit, err := auditFlags(s.dir)
	if err != nil {
		return 0, err
	}
	if s.Server, err = apiserver.Start(s.dir, apiserver.DefaultVersion, audit); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	if s.api, err = kubernetes.NewForConfig(s.Config); err != nil {
		return 0, err
	}
	if err := permit(context.Background()); err != nil {
		return 0, err
	}
	if s.webhook, err = newWebhook(); err != nil {
		return 0, err
	}
	if err := s.webhook.start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.webhook.stop()) }()
	return m.Run(), nil
}

// permit makes the webhook's ServiceAccount, and gives it what the manifests give it.
func permit(ctx context.Context) error {
	if err := makeNamespace(ctx, system, nil); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "restartrules-webhook"}}
	if _, err := s.api.CoreV1().ServiceAccounts(system).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	if out, err := s.Kubectl(nil, "apply", "-f", component); err != nil {
		return fmt.Errorf("apply %s: %w\n%s", component, err, out)
	}
	return nil
}

func makeNamespace(ctx context.Context, name string, labels map[string]string) error {
	_, err := s.api.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return err
	}
	// What controllers do elsewhere.
	_, err = s.api.CoreV1().ServiceAccounts(name).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	return err
}

// webhook is cmd/webhook as a process.
type webhook struct {
	binary, certDir, kubeconfig string
	port, metrics, health       int
	process                     *exec.Cmd
}

func newWebhook() (*webhook, error) {
	w := &webhook{binary: filepath.Join(s.dir, "webhook"), certDir: filepath.Join(s.dir, "tls"), kubeconfig: filepath.Join(s.dir, "webhook.kubeconfig")}
	if out, err := exec.Command("go", "build", "-o", w.binary, "restartrules.dev/cmd/webhook").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the webhook: %w\n%s", err, out)
	}
	if _, err := selfsigned.Ensure(w.certDir, []string{"localhost"}, time.Now()); err != nil {
		return nil, err
	}
	for _, port := range []*int{&w.port, &w.metrics, &w.health} {
		var err error
		if *port, err = apiserver.FreePort(); err != nil {
			return nil, err
		}
	}
	hour := int64(3600)
	token, err := s.api.CoreV1().ServiceAccounts(system).CreateToken(context.Background(), "restartrules-webhook",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return w, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: s.Config.Host, CertificateAuthorityData: s.Config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	}, w.kubeconfig)
}

func (w *webhook) url() string { return fmt.Sprintf("https://localhost:%d/report", w.port) }

// start starts it, and returns when it serves.
func (w *webhook) start() error {
	w.process = exec.Command(w.binary, "serve", "--watcher-image=none", "--entrypoint-lookup=false", "--cert-dir="+w.certDir, "--shutdown-delay=0s",
		fmt.Sprintf("--port=%d", w.port), fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", w.metrics),
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", w.health), "--reports", "--reports-url="+w.url(), "--log-level=info")
	w.process.Env = append(os.Environ(), "KUBECONFIG="+w.kubeconfig, "GOMEMLIMIT=200MiB") // as in the manifests
	w.process.Stderr = os.Stderr
	if err := w.process.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(patience); ; {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", w.health))
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("the webhook is not ready: %w", errors.Join(err, net.ErrClosed))
		}
		time.Sleep(lookAgain)
	}
}

func (w *webhook) stop() error {
	if err := w.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return w.process.Wait()
}

var optedIn = map[string]string{api.InjectLabel: api.InjectEnabled}
