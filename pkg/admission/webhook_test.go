package admission

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

func TestMutate(t *testing.T) {
	for _, test := range []struct {
		name    string
		pod     *corev1.Pod
		outcome outcome
	}{
		{"no rules", plainPod(), outcomeUnchanged},
		{"rules that take the watcher", rulesPod(), outcomeInjected},
		{"rules that a Pod-level policy expresses", policyPod(), outcomePolicy},
	} {
		t.Run(test.name, func(t *testing.T) {
			hook, log := newTestWebhook(t)
			response := ask(t, hook.Handlers()[MutatePath], create(t, test.pod))
			require.True(t, response.Allowed)
			require.Nil(t, response.Result)
			require.Equal(t, 1, hook.counted(t, "pods", "CREATE", string(test.outcome)))
			if test.outcome == outcomeUnchanged {
				require.Nil(t, response.Patch)
				require.Nil(t, response.PatchType)
				require.Empty(t, log.String())
				return
			}
			require.Equal(t, admissionv1.PatchTypeJSONPatch, *response.PatchType)
			var patch []inject.Op
			require.NoError(t, json.Unmarshal(response.Patch, &patch))
			require.NotEmpty(t, patch)
			require.Contains(t, log.String(), `"name":"train"`)
			require.Contains(t, log.String(), `"namespace":"default"`)
			require.Contains(t, log.String(), `"uid":"705ab4f5-6393-11e8-b7cc-42010a800002"`)
			require.NotContains(t, log.String(), "train.py")
		})
	}
}

// TestMutateUpdate: a manifest that is applied again counts as what its Pod was when it was created.
func TestMutateUpdate(t *testing.T) {
	for pod, want := range map[*corev1.Pod]outcome{rulesPod(): outcomeInjected, policyPod(): outcomePolicy} {
		hook, _ := newTestWebhook(t)
		handler := hook.Handlers()[MutatePath]
		review := create(t, pod)
		written := review.Request.Object.Raw
		live := applyPatch(t, written, ask(t, handler, review).Patch)
		review.Request.Operation, review.Request.OldObject.Raw = admissionv1.Update, live
		require.NotEmpty(t, ask(t, handler, review).Patch)
		require.Equal(t, 1, hook.counted(t, "pods", "UPDATE", string(want)))
	}
}

func TestMutateDenies(t *testing.T) {
	hook, log := newTestWebhook(t)
	pod := invalidPod()
	pod.Name, pod.GenerateName = "", "train-"
	response := ask(t, hook.Handlers()[MutatePath], create(t, pod))

	require.False(t, response.Allowed)
	require.Nil(t, response.Patch)
	require.EqualValues(t, http.StatusUnprocessableEntity, response.Result.Code)
	require.Equal(t, metav1.StatusReasonInvalid, response.Result.Reason)
	require.Contains(t, response.Result.Message,
		"spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used")
	require.Equal(t, []metav1.StatusCause{{
		Type:    metav1.CauseTypeFieldValueRequired,
		Message: "Required value: must specify restartPolicy when restart rules are used",
		Field:   "spec.containers[0].restartPolicy",
	}}, response.Result.Details.Causes)
	require.Equal(t, 1, hook.counted(t, "pods", "CREATE", "denied"))
	require.Contains(t, log.String(), `"generateName":"train-"`)
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
}

func TestUpdateOfInjectedPodIsRepaired(t *testing.T) {
	hook, _ := newTestWebhook(t)
	handler := hook.Handlers()[MutatePath]
	user := rulesPod()
	injected := applyPatch(t, encodeJSON(t, user), ask(t, handler, create(t, user)).Patch)

	// What a second `kubectl apply` of the same manifest makes of it.
	var again corev1.Pod
	require.NoError(t, json.Unmarshal(injected, &again))
	again.Spec.RestartPolicy = user.Spec.RestartPolicy
	again.Spec.Containers[0].Command = user.Spec.Containers[0].Command
	again.Spec.Containers[0].RestartPolicy = user.Spec.Containers[0].RestartPolicy
	again.Spec.Containers[0].RestartPolicyRules = user.Spec.Containers[0].RestartPolicyRules
	review := create(t, &again)
	review.Request.Operation = admissionv1.Update
	review.Request.OldObject.Raw = injected
	response := ask(t, handler, review)
	require.True(t, response.Allowed)
	require.JSONEq(t, string(injected), string(applyPatch(t, review.Request.Object.Raw, response.Patch)))
	require.Equal(t, 1, hook.counted(t, "pods", "UPDATE", "injected"))
}

func TestValidate(t *testing.T) {
	hook, log := newTestWebhook(t)
	handlers := hook.Handlers()
	user := rulesPod()
	injected := applyPatch(t, encodeJSON(t, user), ask(t, handlers[MutatePath], create(t, user)).Patch)
	log.Reset()

	review := create(t, user)
	review.Request.Object.Raw = injected
	require.True(t, ask(t, handlers[ValidatePath], review).Allowed)
	require.Empty(t, log.String())
	require.Equal(t, 0, hook.counted(t, "pods", "CREATE", "unchanged"),
		"counted at mutation")

	// Another webhook took the shim from the container's command.
	var broken corev1.Pod
	require.NoError(t, json.Unmarshal(injected, &broken))
	broken.Spec.Containers[0].Command = user.Spec.Containers[0].Command
	review.Request.Object.Raw = encodeJSON(t, &broken)
	response := ask(t, handlers[ValidatePath], review)
	require.False(t, response.Allowed)
	require.EqualValues(t, http.StatusUnprocessableEntity, response.Result.Code)
	require.NotEmpty(t, response.Result.Details.Causes)
}

func TestWhatIsNoneOfOurs(t *testing.T) {
	hook, _ := newTestWebhook(t)
	for _, path := range []string{MutatePath, ValidatePath} {
		handler := hook.Handlers()[path]
		for name, change := range map[string]func(*admissionv1.AdmissionRequest){
			"delete":      func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Delete; r.Object.Raw = nil },
			"connect":     func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Connect },
			"subresource": func(r *admissionv1.AdmissionRequest) { r.SubResource = "ephemeralcontainers" },
		} {
			t.Run(path+" "+name, func(t *testing.T) {
				review := create(t, invalidPod())
				change(review.Request)
				response := ask(t, handler, review)
				require.True(t, response.Allowed)
				require.Empty(t, response.Patch)
			})
		}
	}
}

func TestObjectThatIsNoPod(t *testing.T) {
	hook, log := newTestWebhook(t)
	for _, path := range []string{MutatePath, ValidatePath} {
		handler := hook.Handlers()[path]
		t.Run(path, func(t *testing.T) {
			review := create(t, rulesPod())
			review.Request.Object.Raw = []byte(`{"spec":{"containers":"none"}}`)
			response := ask(t, handler, review)
			require.False(t, response.Allowed)
			require.EqualValues(t, http.StatusInternalServerError, response.Result.Code)
			require.Equal(t, metav1.StatusReasonInternalError, response.Result.Reason)
			require.Contains(t, log.String(), `"level":"ERROR"`)
		})
	}
	require.Equal(t, 2, hook.counted(t, "pods", "CREATE", "error"))
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	_, err := New(testOptions, workload.BuiltIn(), logr.Discard(), registry)
	require.NoError(t, err)
	_, err = New(testOptions, workload.BuiltIn(), logr.Discard(), registry)
	require.ErrorContains(t, err, "register metrics")
}
