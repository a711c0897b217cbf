package apiserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"restartrules.dev/certs/selfsigned"
	"restartrules.dev/pkg/api"
)

// Installation is a copy of the manifests that the API server has, for a webhook on loopback.
type Installation struct {
	// CertDir has the certificate that the webhook is to serve with.
	CertDir string
	// Port is where the API server looks for the webhook.
	Port int
}

// Prepare makes the certificate of an installation in dir, and finds a port for it.
func Prepare(dir string) (*Installation, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	i := &Installation{CertDir: filepath.Join(dir, "manifests", "overlays", "self-signed"), Port: port}
	_, err = selfsigned.Ensure(i.CertDir, []string{"localhost"}, time.Now())
	return i, err
}

// Install applies a copy of the manifests of the repository at root with kubectl, as a user does, and then points the
// webhook configurations at the loopback address, where there is no Service. The webhook must be running; Install
// returns when the API server asks it.
func (s *Server) Install(i *Installation, root string) error {
	dir := filepath.Dir(filepath.Dir(i.CertDir))
	for _, part := range []string{"base", "overlays/self-signed/kustomization.yaml"} {
		if err := copyTree(filepath.Join(root, "manifests", part), filepath.Join(dir, part)); err != nil {
			return err
		}
	}
	if out, err := s.Kubectl(nil, "apply", "--server-side", "-k", i.CertDir); err != nil {
		return fmt.Errorf("apply the manifests: %w\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	local := func(config *admissionregistrationv1.WebhookClientConfig) {
		if config.Service != nil {
			config.URL = ptr.To(fmt.Sprintf("https://localhost:%d%s", i.Port, *config.Service.Path))
			config.Service = nil
		}
	}
	name := client.ObjectKey{Name: "restartrules"}
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	if err := s.Client.Get(ctx, name, &mutating); err != nil {
		return err
	}
	for n := range mutating.Webhooks {
		local(&mutating.Webhooks[n].ClientConfig)
	}
	if err := s.Client.Update(ctx, &mutating); err != nil {
		return err
	}
	var validating admissionregistrationv1.ValidatingWebhookConfiguration
	if err := s.Client.Get(ctx, name, &validating); err != nil {
		return err
	}
	for n := range validating.Webhooks {
		local(&validating.Webhooks[n].ClientConfig)
	}
	if err := s.Client.Update(ctx, &validating); err != nil {
		return err
	}
	return s.WaitForWebhook(ctx)
}

// probe is a Pod that our webhooks inject.
func probe() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "restartrules-probe",
			Labels:      map[string]string{api.InjectLabel: api.InjectEnabled},
			Annotations: map[string]string{api.RulesAnnotation: `{"containers": {"probe": {"restartPolicy": "Never"}}}`}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "probe", Image: "probe", Command: []string{"probe"}}}},
	}
}

// WaitForWebhook waits until the API server has noticed the configurations, and the webhook answers.
func (s *Server) WaitForWebhook(ctx context.Context) error {
	for {
		pod := probe()
		err := s.Client.Create(ctx, pod, client.DryRunAll)
		if err == nil && pod.Annotations[api.PlanAnnotation] != "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API server does not call the webhook: %w", errors.Join(ctx.Err(), err))
		case <-time.After(interval):
		}
	}
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
