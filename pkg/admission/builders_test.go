package admission

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

var testOptions = inject.Options{
	Image:                 "localhost/restartrules/watcher:test",
	ImagePullPolicy:       corev1.PullIfNotPresent,
	ShareProcessNamespace: true,
}

// newTestWebhook returns a Webhook with metrics of its own, and its log.
func newTestWebhook(t testing.TB) (*Webhook, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	hook, err := New(testOptions, workload.BuiltIn(), logr.FromSlogHandler(slog.NewJSONHandler(&log, nil)), prometheus.NewRegistry())
	require.NoError(t, err)
	return hook, &log
}

// plainPod has no rules.
func plainPod() *corev1.Pod {
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "train"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "trainer", Image: "example.com/trainer:1", Command: []string{"python", "train.py"},
			}},
		},
	}
}

// rulesPod restarts its container on exit code 42, and on no other: that takes the watcher.
func rulesPod() *corev1.Pod {
	pod := plainPod()
	pod.Spec.Containers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyNever)
	pod.Spec.Containers[0].RestartPolicyRules = []corev1.ContainerRestartRule{restartOn(42)}
	return pod
}

// policyPod says for its only container what a Pod-level policy can say as well.
func policyPod() *corev1.Pod {
	pod := plainPod()
	pod.Spec.Containers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyOnFailure)
	return pod
}

// invalidPod has rules without a restartPolicy.
func invalidPod() *corev1.Pod {
	pod := rulesPod()
	pod.Spec.Containers[0].RestartPolicy = nil
	return pod
}

func restartOn(codes ...int32) corev1.ContainerRestartRule {
	return corev1.ContainerRestartRule{
		Action: corev1.ContainerRestartRuleActionRestart,
		ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
			Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: codes,
		},
	}
}

func create(t testing.TB, pod *corev1.Pod) *admissionv1.AdmissionReview {
	t.Helper()
	return &admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID:       "705ab4f5-6393-11e8-b7cc-42010a800002",
			Kind:      metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
			Resource:  metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Name:      pod.Name,
			Namespace: pod.Namespace,
			Operation: admissionv1.Create,
			Object:    runtime.RawExtension{Raw: encodeJSON(t, pod)},
		},
	}
}

func encodeJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return data
}

// counted returns the value of restartrules_admissions_total.
func (h *Webhook) counted(t testing.TB, resource, operation, outcome string) int {
	t.Helper()
	var metric dto.Metric
	require.NoError(t, h.metrics.admissions.WithLabelValues(resource, operation, outcome).Write(&metric))
	return int(metric.GetCounter().GetValue())
}

// ask sends a review and returns the answer.
func ask(t testing.TB, handler http.Handler, review *admissionv1.AdmissionReview) *admissionv1.AdmissionResponse {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, post(bytes.NewReader(encodeJSON(t, review))))
	require.Equal(t, http.StatusOK, recorder.Code, recorder.Body)
	require.Equal(t, "application/json", recorder.Header().Get("Content-Type"))
	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
	require.Equal(t, "admission.k8s.io/v1", answer.APIVersion)
	require.Equal(t, "AdmissionReview", answer.Kind)
	require.Nil(t, answer.Request)
	require.NotNil(t, answer.Response)
	require.Equal(t, review.Request.UID, answer.Response.UID)
	return answer.Response
}

// applyPatch applies a patch with the library that the API server uses.
func applyPatch(t testing.TB, object, patch []byte) []byte {
	t.Helper()
	if len(patch) == 0 {
		return object
	}
	decoded, err := jsonpatch.DecodePatch(patch)
	require.NoError(t, err)
	result, err := decoded.Apply(object)
	require.NoError(t, err)
	return result
}

func post(body io.Reader) *http.Request {
	request := httptest.NewRequest(http.MethodPost, MutatePath, body)
	request.Header.Set("Content-Type", "application/json")
	return request
}
