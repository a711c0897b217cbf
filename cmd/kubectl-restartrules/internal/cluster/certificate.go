package cluster

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
)

// issuedBy is the annotation of a Secret that cert-manager keeps.
const issuedBy = "cert-manager.io/certificate-name"

// certificate reads the webhook's certificate from its Secret, or where that may not be read when cert-manager says
// that it ends. What the API server makes of it now a dry run says in any case.
func (r *Reader) certificate(ctx context.Context) error {
	if r.c.Mutating == nil && r.c.Deployment == nil {
		return nil
	}
	secret, err := r.secret(ctx)
	if err == nil {
		if secret != nil {
			_, managed := secret.Annotations[issuedBy]
			r.c.Certificate = &check.Certificate{Namespace: r.c.System(), PEM: secret.Data[corev1.TLSCertKey], Secret: secret.Name, CertManager: managed}
		}
		return nil
	}
	if !apierrors.IsForbidden(err) {
		return err
	}
	certificate, err := r.dynamic.Resource(schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1", Resource: "certificates"}).
		Namespace(r.c.System()).Get(ctx, check.WebhookName, metav1.GetOptions{})
	if err == nil {
		known := &check.Certificate{Namespace: r.c.System(), Secret: check.SecretName, CertManager: true}
		known.NotBefore, known.NotAfter = timeAt(certificate, "notBefore"), timeAt(certificate, "notAfter")
		r.c.Certificate = known
		return nil
	}
	r.leftOut("when the webhook's certificate ends, and whether each caBundle verifies it",
		"get secrets named "+check.SecretName+" and "+check.SelfManagedSecretName+" in namespace "+r.c.System())
	return nil
}

func timeAt(certificate *unstructured.Unstructured, field string) time.Time {
	text, _, _ := unstructured.NestedString(certificate.Object, "status", field)
	at, _ := time.Parse(time.RFC3339, text) // not there: the zero time
	return at
}

// secret is the one that the webhook serves from, or nil.
func (r *Reader) secret(ctx context.Context) (*corev1.Secret, error) {
	names := []string{check.SecretName, check.SelfManagedSecretName}
	if d := r.c.Deployment; d != nil {
		for _, c := range d.Spec.Template.Spec.Containers {
			if slices.Contains(c.Args, "--certificates=self-managed") {
				names = []string{check.SelfManagedSecretName}
			}
		}
		for _, v := range d.Spec.Template.Spec.Volumes {
			if v.Name == "tls" && v.Secret != nil {
				names = []string{v.Secret.SecretName}
			}
		}
	}
	for _, name := range names {
		secret, err := r.client.CoreV1().Secrets(r.c.System()).Get(ctx, name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return secret, err
		}
	}
	return nil, nil
}
