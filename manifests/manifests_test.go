// Package manifests tests the manifests against the code that they configure.
package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/admission"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/workload"
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
	require.Len(t, mutating.Webhooks, 4)
	require.Len(t, validating.Webhooks, 2)
	for i, m := range mutating.Webhooks[:2] {
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

// TestWorkloads: the API server asks about each built-in kind, under the same conditions whoever
// opted in, and sends what opted in itself to the handler for that.
func TestWorkloads(t *testing.T) {
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	load(t, "mutatingwebhookconfiguration.yaml", &mutating)
	namespaces, labelled := mutating.Webhooks[2], mutating.Webhooks[3]
	require.Equal(t, admission.MutateWorkloadsPath, *namespaces.ClientConfig.Service.Path)
	require.Equal(t, admission.MutateLabelledWorkloadsPath, *labelled.ClientConfig.Service.Path)

	asked := map[string]bool{}
	for _, rule := range namespaces.Rules {
		require.Equal(t, admissionregistrationv1.NamespacedScope, *rule.Scope)
		require.Equal(t, []admissionregistrationv1.OperationType{"CREATE", "UPDATE"}, rule.Operations)
		for _, resource := range rule.Resources {
			asked[rule.APIGroups[0]+"/"+rule.APIVersions[0]+"/"+resource] = true
		}
	}
	known := map[string]bool{}
	for _, k := range workload.BuiltIn() {
		known[k.Group+"/"+k.Version+"/"+k.Resource] = true
	}
	require.Equal(t, known, asked)

	pods := mutating.Webhooks
	require.Equal(t, pods[0].NamespaceSelector, namespaces.NamespaceSelector)
	require.Equal(t, pods[1].NamespaceSelector, labelled.NamespaceSelector)
	require.Equal(t, admissionregistrationv1.NeverReinvocationPolicy, *namespaces.ReinvocationPolicy)
	condition := &namespaces.MatchConditions[len(namespaces.MatchConditions)-1].Expression
	require.Contains(t, *condition, `!= 'disabled'`)
	*condition = strings.Replace(*condition, `!= 'disabled'`, `== 'enabled'`, 1)
	namespaces.Name, namespaces.ClientConfig, namespaces.NamespaceSelector = labelled.Name, labelled.ClientConfig, labelled.NamespaceSelector
	require.Equal(t, namespaces, labelled)
}

// TestConditionsNameOurAnnotations: what the code reads of a Pod is what the API server looks at.
func TestConditionsNameOurAnnotations(t *testing.T) {
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	load(t, "mutatingwebhookconfiguration.yaml", &mutating)
	expressions := map[string]string{}
	for _, c := range append(mutating.Webhooks[0].MatchConditions, mutating.Webhooks[2].MatchConditions...) {
		expressions[c.Name] = c.Expression
	}
	for _, annotation := range []string{
		api.PlanAnnotation, api.RulesAnnotation, api.LiftedRulesAnnotation, api.MaxRestartsAnnotation, api.PreferAnnotation,
		api.ModeAnnotation, api.ShareProcessNamespaceAnnotation, api.SeamAnnotation,
	} {
		require.Contains(t, expressions["updates-what-is-ours"], "'"+annotation+"'")
	}
	for _, annotation := range []string{api.RulesAnnotation, api.LiftedRulesAnnotation} {
		require.Contains(t, expressions["created-with-rules"], "'"+annotation+"'")
		require.Contains(t, expressions["has-template-with-rules"], "'"+annotation+"'")
	}
}
