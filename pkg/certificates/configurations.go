package certificates

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	admissionregistrationclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	certutil "k8s.io/client-go/util/cert"
)

// configurations are the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration of one name.
type configurations struct {
	client admissionregistrationclient.AdmissionregistrationV1Interface
	name   string
}

// A webhook is what we know of one in either kind of configuration. As JSON it is a strategic merge patch of it.
type webhook struct {
	Name         string       `json:"name"`
	ClientConfig clientConfig `json:"clientConfig"`
}

type clientConfig struct {
	CABundle []byte `json:"caBundle,omitempty"`
}

// trust makes the webhooks of both configurations trust what is in bundle and nothing else. A configuration that is
// not there asks nobody: it is left out.
func (c configurations) trust(ctx context.Context, bundle []byte) (changed bool, err error) {
	for _, kind := range c.kinds() {
		webhooks, err := kind.get(ctx)
		if err != nil {
			return changed, err
		}
		var different []webhook
		for _, w := range webhooks {
			if !bytes.Equal(w.ClientConfig.CABundle, bundle) {
				w.ClientConfig.CABundle = bundle
				different = append(different, w)
			}
		}
		if len(different) == 0 {
			continue
		}
		// Other fields of these webhooks, and other webhooks, may change at the same time.
		patch, err := json.Marshal(map[string]any{"webhooks": different})
		if err != nil {
			return changed, err
		}
		if err := kind.patch(ctx, patch); err != nil {
			return changed, fmt.Errorf("write caBundle: %w", err)
		}
		changed = true
	}
	return changed, nil
}

// trusted are the authorities that the configurations trust now, those that have not ended.
func (c configurations) trusted(ctx context.Context, now time.Time) ([]*x509.Certificate, error) {
	seen := map[string]bool{}
	var found []*x509.Certificate
	for _, kind := range c.kinds() {
		webhooks, err := kind.get(ctx)
		if err != nil {
			return nil, err
		}
		for _, w := range webhooks {
			certificates, err := certutil.ParseCertsPEM(w.ClientConfig.CABundle)
			if err != nil {
				continue // empty or damaged: it trusts nobody
			}
			for _, certificate := range certificates {
				if !seen[string(certificate.Raw)] && now.Before(certificate.NotAfter) {
					seen[string(certificate.Raw)] = true
					found = append(found, certificate)
				}
			}
		}
	}
	return found, nil
}

// A kind is one of the two configurations.
type kind struct {
	get   func(context.Context) ([]webhook, error) // none if it is not there
	patch func(context.Context, []byte) error
}

func (c configurations) kinds() []kind {
	mutating, validating := c.client.MutatingWebhookConfigurations(), c.client.ValidatingWebhookConfigurations()
	return []kind{{
		get: func(ctx context.Context) ([]webhook, error) {
			object, err := mutating.Get(ctx, c.name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("read caBundle: %w", err)
			}
			return each(object.Webhooks, func(w *admissionregistrationv1.MutatingWebhook) webhook {
				return webhook{w.Name, clientConfig{w.ClientConfig.CABundle}}
			}), nil
		},
		patch: func(ctx context.Context, patch []byte) error {
			_, err := mutating.Patch(ctx, c.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
			return err
		},
	}, {
		get: func(ctx context.Context) ([]webhook, error) {
			object, err := validating.Get(ctx, c.name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("read caBundle: %w", err)
			}
			return each(object.Webhooks, func(w *admissionregistrationv1.ValidatingWebhook) webhook {
				return webhook{w.Name, clientConfig{w.ClientConfig.CABundle}}
			}), nil
		},
		patch: func(ctx context.Context, patch []byte) error {
			_, err := validating.Patch(ctx, c.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
			return err
		},
	}}
}

func each[T any](items []T, f func(*T) webhook) []webhook {
	webhooks := make([]webhook, len(items))
	for i := range items {
		webhooks[i] = f(&items[i])
	}
	return webhooks
}
