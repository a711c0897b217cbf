package admission

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
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
	"k8s.io/apimachinery/pkg/types"
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

func TestRequestsThatAreNoReview(t *testing.T) {
	review := func(change func(*admissionv1.AdmissionReview)) string {
		r := create(t, rulesPod())
		change(r)
		return string(encodeJSON(t, r))
	}
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		body   string
		code   int
		says   string
	}{
		{name: "GET", change: func(r *http.Request) { r.Method = http.MethodGet }, code: http.StatusMethodNotAllowed},
		{name: "form", change: func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
			code: http.StatusUnsupportedMediaType, says: "application/x-www-form-urlencoded"},
		{name: "empty", code: http.StatusBadRequest},
		{name: "no JSON", body: "hello", code: http.StatusBadRequest},
		{name: "two documents", body: "{}{}", code: http.StatusBadRequest},
		{name: "null", body: "null", code: http.StatusBadRequest},
		{name: "v1beta1", code: http.StatusBadRequest, says: "admission.k8s.io/v1beta1",
			body: review(func(r *admissionv1.AdmissionReview) { r.APIVersion = "admission.k8s.io/v1beta1" })},
		{name: "no request", code: http.StatusBadRequest,
			body: review(func(r *admissionv1.AdmissionReview) { r.Request = nil })},
		{name: "no uid", code: http.StatusBadRequest,
			body: review(func(r *admissionv1.AdmissionReview) { r.Request.UID = "" })},
		{name: "a Job", code: http.StatusBadRequest, says: "batch/v1/jobs, expected Pods",
			body: review(func(r *admissionv1.AdmissionReview) {
				r.Request.Resource = metav1.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
			})},
		{name: "too large", code: http.StatusRequestEntityTooLarge,
			body: `{"pad":"` + strings.Repeat("x", maxBody) + `"}`},
		{name: "body breaks off", change: func(r *http.Request) { r.Body = io.NopCloser(brokenReader{}) },
			code: http.StatusBadRequest, says: "connection reset"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hook, _ := newTestWebhook(t)
			request := post(strings.NewReader(test.body))
			if test.change != nil {
				test.change(request)
			}
			recorder := httptest.NewRecorder()
			hook.Handlers()[MutatePath].ServeHTTP(recorder, request)
			require.Equal(t, test.code, recorder.Code, recorder.Body)
			require.Contains(t, recorder.Body.String(), test.says)
			require.Equal(t, 1, hook.counted(t, "unknown", "unknown", "error"))
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestPanicIsAnError(t *testing.T) {
	hook, log := newTestWebhook(t)
	recorder := httptest.NewRecorder()
	body := bytes.NewReader(encodeJSON(t, create(t, rulesPod())))
	hook.handler(hook.isPod, func(*request) decision { panic("oops") }).ServeHTTP(recorder, post(body))
	require.Equal(t, http.StatusInternalServerError, recorder.Code)
	require.NotContains(t, recorder.Body.String(), "oops")
	require.Contains(t, log.String(), "oops")
	require.Equal(t, 1, hook.counted(t, "pods", "CREATE", "error"))
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	_, err := New(testOptions, workload.BuiltIn(), logr.Discard(), registry)
	require.NoError(t, err)
	_, err = New(testOptions, workload.BuiltIn(), logr.Discard(), registry)
	require.ErrorContains(t, err, "register metrics")
}

func FuzzHandlers(f *testing.F) {
	hook, err := New(testOptions, workload.BuiltIn(), logr.Discard(), prometheus.NewRegistry())
	require.NoError(f, err)
	update := create(f, rulesPod())
	update.Request.Operation = admissionv1.Update
	update.Request.OldObject = update.Request.Object
	for _, review := range []*admissionv1.AdmissionReview{
		create(f, plainPod()), create(f, rulesPod()), create(f, policyPod()), create(f, invalidPod()), update,
		deployment(f, plainPod()), deployment(f, rulesPod()), updatedDeployment(f),
	} {
		f.Add(encodeJSON(f, review))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for path, handler := range hook.Handlers() {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, post(bytes.NewReader(body)))
			switch recorder.Code {
			case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			case http.StatusOK:
				var answer admissionv1.AdmissionReview
				require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer), path)
				require.NotEmpty(t, answer.Response.UID, path)
				require.NotEqual(t, answer.Response.Allowed, answer.Response.Result != nil, path)
			default:
				require.Failf(t, "unexpected status", "%s: %d %s", path, recorder.Code, recorder.Body)
			}
		}
	})
}

func BenchmarkMutate(b *testing.B) {
	for _, size := range []int{6_000, 60_000} {
		b.Run(fmt.Sprintf("%dKB", size/1000), func(b *testing.B) {
			hook, err := New(testOptions, workload.BuiltIn(), logr.Discard(), prometheus.NewRegistry())
			require.NoError(b, err)
			handler := hook.Handlers()[MutatePath]
			body := encodeJSON(b, create(b, podOfSize(b, size)))
			request := post(nil)
			request.ContentLength = int64(len(body))
			var reader bytes.Reader
			writer := discardWriter{header: http.Header{}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				reader.Reset(body)
				request.Body = io.NopCloser(&reader)
				handler.ServeHTTP(&writer, request)
			}
			require.Equal(b, http.StatusOK, writer.code)
			require.Contains(b, string(writer.body), `"allowed":true`)
			require.Contains(b, string(writer.body), `"patchType":"JSONPatch"`)
		})
	}
}

// podOfSize returns a Pod with rules of about size bytes as JSON, most of them in env variables.
func podOfSize(t testing.TB, size int) *corev1.Pod {
	pod := rulesPod()
	pod.Labels = map[string]string{"app": "train"}
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "batch/v1", Kind: "Job", Name: "train", UID: types.UID("4f1c"), Controller: ptr.To(true),
	}}
	for i := 0; len(encodeJSON(t, pod)) < size; i++ {
		container := &pod.Spec.Containers[i%len(pod.Spec.Containers)]
		container.Env = append(container.Env, corev1.EnvVar{
			Name: fmt.Sprintf("SETTING_%04d", i), Value: strings.Repeat("v", 40),
		})
		if i%40 == 20 && len(pod.Spec.Containers) < 8 {
			next := *pod.Spec.Containers[0].DeepCopy()
			next.Name, next.Env = fmt.Sprintf("trainer-%d", i), nil
			pod.Spec.Containers = append(pod.Spec.Containers, next)
		}
	}
	return pod
}

// discardWriter is a ResponseWriter that allocates nothing.
type discardWriter struct {
	header http.Header
	body   []byte
	code   int
}

func (w *discardWriter) Header() http.Header { return w.header }

func (w *discardWriter) WriteHeader(code int) { w.code = code }

func (w *discardWriter) Write(p []byte) (int, error) {
	w.code = http.StatusOK
	w.body = append(w.body[:0], p...)
	return len(p), nil
}
