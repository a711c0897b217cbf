package admission

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"restartrules.dev/pkg/api"
)

// deployment is a review of a Deployment of those Pods.
func deployment(t testing.TB, pod *corev1.Pod) *admissionv1.AdmissionReview {
	t.Helper()
	object := map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "web", "namespace": "default"},
		"spec":     map[string]any{"template": map[string]any{"metadata": pod.ObjectMeta, "spec": pod.Spec}},
	}
	review := create(t, pod)
	review.Request.Kind = metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	review.Request.Resource = metav1.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	review.Request.Name = "web"
	review.Request.Object = runtime.RawExtension{Raw: encodeJSON(t, object)}
	return review
}

func TestWorkloadIsLifted(t *testing.T) {
	hook, log := newTestWebhook(t)
	review := deployment(t, rulesPod())
	response := ask(t, hook.Handlers()[MutateWorkloadsPath], review)
	require.True(t, response.Allowed)
	patched := applyPatch(t, review.Request.Object.Raw, response.Patch)
	require.Contains(t, string(patched), api.LiftedRulesAnnotation)
	require.NotContains(t, string(patched), `"restartPolicyRules":[`)
	require.Equal(t, 1, hook.counted(t, "deployments", "CREATE", "lifted"))
	require.Contains(t, log.String(), `"kind":"Deployment"`)

	// The second time there is nothing left to do.
	review.Request.Operation = admissionv1.Update
	review.Request.OldObject.Raw, review.Request.Object.Raw = patched, patched
	response = ask(t, hook.Handlers()[MutateWorkloadsPath], review)
	require.True(t, response.Allowed)
	require.Empty(t, response.Patch)
	require.Equal(t, 1, hook.counted(t, "deployments", "UPDATE", "unchanged"))
}

func TestWorkloadIsDenied(t *testing.T) {
	hook, _ := newTestWebhook(t)
	response := ask(t, hook.Handlers()[MutateWorkloadsPath], deployment(t, invalidPod()))
	require.False(t, response.Allowed)
	require.EqualValues(t, http.StatusUnprocessableEntity, response.Result.Code)
	require.Equal(t, `Deployment.apps "web" is invalid: spec.template.spec.containers[0].restartPolicy: `+
		`Required value: must specify restartPolicy when restart rules are used`, response.Result.Message)
	require.Equal(t, "apps", response.Result.Details.Group)
	require.Equal(t, "Deployment", response.Result.Details.Kind)
	require.Equal(t, 1, hook.counted(t, "deployments", "CREATE", "denied"))
}

func TestLabelledWorkloads(t *testing.T) {
	hook, _ := newTestWebhook(t)
	handler := hook.Handlers()[MutateLabelledWorkloadsPath]
	pod := rulesPod()
	require.Empty(t, ask(t, handler, deployment(t, pod)).Patch)
	pod.Labels = map[string]string{api.InjectLabel: api.InjectEnabled}
	require.NotEmpty(t, ask(t, handler, deployment(t, pod)).Patch)
}

func TestWorkloadsThatAreNoneOfOurs(t *testing.T) {
	hook, _ := newTestWebhook(t)
	handler := hook.Handlers()[MutateWorkloadsPath]
	for _, subresource := range []string{"scale", "status"} {
		review := deployment(t, invalidPod())
		review.Request.SubResource = subresource
		require.Empty(t, ask(t, handler, review).Patch)
	}
	for _, resource := range []string{"pods", "trainings"} {
		review := deployment(t, rulesPod())
		review.Request.Resource.Resource = resource
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, post(bytes.NewReader(encodeJSON(t, review))))
		require.Equal(t, http.StatusBadRequest, recorder.Code)
		require.Contains(t, recorder.Body.String(), "apps/v1/"+resource+", expected a workload kind")
		require.Contains(t, recorder.Body.String(), "--pod-templates")
	}
}

// updatedDeployment is a review for FuzzReview in which rules may have been removed.
func updatedDeployment(t testing.TB) *admissionv1.AdmissionReview {
	review := deployment(t, rulesPod())
	hook, _ := newTestWebhook(t)
	patched := applyPatch(t, review.Request.Object.Raw, ask(t, hook.Handlers()[MutateWorkloadsPath], review).Patch)
	review.Request.Operation = admissionv1.Update
	review.Request.OldObject.Raw, review.Request.Object.Raw = patched, patched
	return review
}
