package mesh

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Webhook is an admission webhook that injects into the Pods of some namespaces.
type Webhook struct {
	server *httptest.Server
	// Configuration is to be created in the cluster.
	Configuration *admissionregistrationv1.MutatingWebhookConfiguration
}

// Serve serves a webhook on the loopback address that injects into the Pods created in namespaces with
// this label. Mutating webhooks run in the order of their configurations' names.
func Serve(name, label string, reinvocation admissionregistrationv1.ReinvocationPolicyType, inject func(*corev1.Pod)) *Webhook {
	handle := admission.HandlerFunc(func(_ context.Context, request admission.Request) admission.Response {
		pod := new(corev1.Pod)
		if err := json.Unmarshal(request.Object.Raw, pod); err != nil {
			return admission.Errored(400, err)
		}
		inject(pod)
		text, err := json.Marshal(pod)
		if err != nil {
			return admission.Errored(500, err)
		}
		return admission.PatchResponseFromRaw(request.Object.Raw, text)
	})
	server := httptest.NewTLSServer(&admission.Webhook{Handler: handle})
	fail, none, url := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone, server.URL
	return &Webhook{server: server, Configuration: &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: name + ".example.com", AdmissionReviewVersions: []string{"v1"}, FailurePolicy: &fail, SideEffects: &none,
			ReinvocationPolicy: &reinvocation,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url,
				CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})},
			NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: label, Operator: metav1.LabelSelectorOpExists}}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
		}},
	}}
}

// Close ends it.
func (w *Webhook) Close() { w.server.Close() }
