// Package manifests tests the manifests against the code that they configure.
package manifests

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/admission"
)

func load(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("base", file))
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(data, into))
}

// TestConfigurationsAgree: a Pod that is mutated is validated, and no other.
func TestConfigurationsAgree(t *testing.T) {
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	load(t, "mutatingwebhookconfiguration.yaml", &mutating)
	var validating admissionregistrationv1.ValidatingWebhookConfiguration
	load(t, "validatingwebhookconfiguration.yaml", &validating)
	require.Len(t, mutating.Webhooks, 2)
	require.Len(t, validating.Webhooks, 2)
	for i, m := range mutating.Webhooks {
		require.Equal(t, admission.MutatePath, *m.ClientConfig.Service.Path)
		require.Equal(t, admissionregistrationv1.IfNeededReinvocationPolicy, *m.ReinvocationPolicy)
		require.Equal(t, mutating.Webhooks[0].MatchConditions, m.MatchConditions)
		require.Equal(t, mutating.Webhooks[0].Rules, m.Rules)

		v := validating.Webhooks[i]
		require.Equal(t, admission.ValidatePath, *v.ClientConfig.Service.Path)
		want := admissionregistrationv1.ValidatingWebhook{
			Name: m.Name, ClientConfig: v.ClientConfig, Rules: m.Rules, FailurePolicy: m.FailurePolicy,
			MatchPolicy: m.MatchPolicy, NamespaceSelector: m.NamespaceSelector, ObjectSelector: m.ObjectSelector,
			SideEffects: m.SideEffects, TimeoutSeconds: m.TimeoutSeconds,
			AdmissionReviewVersions: m.AdmissionReviewVersions, MatchConditions: m.MatchConditions,
		}
		require.Equal(t, want, v)
	}
}
