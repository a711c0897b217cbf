package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/workload"
)

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
	hook.handler(hook.isPod, func(context.Context, *request) decision { panic("oops") }).ServeHTTP(recorder, post(body))
	require.Equal(t, http.StatusInternalServerError, recorder.Code)
	require.NotContains(t, recorder.Body.String(), "oops")
	require.Contains(t, log.String(), "oops")
	require.Equal(t, 1, hook.counted(t, "pods", "CREATE", "error"))
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

// FuzzScanReview reads of reviews what is decoded.
func FuzzScanReview(f *testing.F) {
	update := create(f, rulesPod())
	update.Request.Operation, update.Request.OldObject = admissionv1.Update, update.Request.Object
	update.Request.SubResource, update.Request.DryRun = "status", ptr.To(true)
	update.Request.Resource.Group, update.Request.Kind.Group = "g", "h"
	for _, review := range []*admissionv1.AdmissionReview{create(f, plainPod()), update} {
		body := encodeJSON(f, review)
		f.Add(body)
		_, ok := scanReview(body)
		require.True(f, ok, "what an API server writes is not left to a decoder")
	}
	for _, seed := range []string{`{"Kind":"a","kind":"b"}`, `{"kind":"a","kind":"b"}`, `{"request":{"UID":"a"}}`, `{"request":null,"kind":null}`, `{"request":{"object":null,"kind":null,"dryRun":null}}`,
		`{"request":{"object":1,"kind":{"version":"v1","future":1},"resource":{"Group":"a"}}}`, `{"kind":5}`, `{} {}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := scanReview(body)
		if !ok {
			return
		}
		want := new(review)
		require.NoError(t, json.Unmarshal(body, want))
		require.Equal(t, want, got)
	})
}

func TestAppendReview(t *testing.T) {
	for name, response := range map[string]*admissionv1.AdmissionResponse{
		"allowed":      {UID: "u", Allowed: true, Warnings: []string{"<a>"}},
		"changed":      {UID: "\"", Allowed: true, Patch: []byte(`[{"op":"remove","path":"/a"}]`), PatchType: ptr.To(admissionv1.PatchTypeJSONPatch), Warnings: []string{"a"}},
		"no patch":     {UID: "u", Patch: []byte{}},
		"only allowed": {UID: "u<", Allowed: true},
		"only changed": {UID: "u", Allowed: true, Patch: []byte(`[]`), PatchType: ptr.To(admissionv1.PatchTypeJSONPatch)},
		"audited":      {UID: "u", Allowed: true, AuditAnnotations: map[string]string{"a": "b"}},
		"denied":       {UID: "u", Result: &metav1.Status{Status: "Failure", Reason: "Invalid", Code: 422}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := appendReview(nil, response)
			require.NoError(t, err)
			var read, want admissionv1.AdmissionReview
			require.NoError(t, json.Unmarshal(got, &read))
			encoded, err := json.Marshal(admissionv1.AdmissionReview{
				TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Response: response})
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(encoded, &want))
			if len(response.Patch) > 0 {
				require.JSONEq(t, string(encoded), string(got))
			}
			want.Response.Patch = append([]byte(nil), want.Response.Patch...)
			read.Response.Patch = append([]byte(nil), read.Response.Patch...)
			require.Equal(t, want, read)
		})
	}
}
