package admission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"

	reviews "restartrules.dev/e2e/bench/review"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

// TestAllocations bounds what one request allocates, to be changed, and as it was changed to be validated. The limits are
// a tenth above what it took when they were set.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	options := inject.Options{Image: testOptions.Image, ShareProcessNamespace: true, ReadinessPort: inject.DefaultReadinessPort}
	hook, err := New(options, workload.BuiltIn(), logr.Discard(), prometheus.NewRegistry())
	require.NoError(t, err)
	for _, test := range []struct {
		kb               int
		rules            bool
		mutate, validate float64
	}{
		{6, true, 120, 235},
		{6, false, 26, 26},
		{60, true, 236, 448},
		{60, false, 33, 33},
	} {
		t.Run(fmt.Sprintf("%d KB, rules: %t", test.kb, test.rules), func(t *testing.T) {
			pod, err := reviews.Pod(test.kb*1000, test.rules)
			require.NoError(t, err)
			body, err := reviews.Create(pod)
			require.NoError(t, err)
			took, answer := allocated(t, hook.Handlers()[MutatePath], body)
			require.Equal(t, test.rules, answer.PatchType != nil)
			require.LessOrEqual(t, took, test.mutate, "allocations")

			review := create(t, pod)
			review.Request.Object.Raw = applyPatch(t, review.Request.Object.Raw, answer.Patch)
			took, answer = allocated(t, hook.Handlers()[ValidatePath], encodeJSON(t, review))
			require.True(t, answer.Allowed, answer.Result)
			require.LessOrEqual(t, took, test.validate, "allocations to validate")
		})
	}
}

// allocated is how often a request allocates, and its answer.
func allocated(t *testing.T, handler http.Handler, body []byte) (float64, *admissionv1.AdmissionResponse) {
	t.Helper()
	request := post(nil)
	request.ContentLength = int64(len(body))
	var reader bytes.Reader
	writer := discardWriter{header: http.Header{}}
	took := testing.AllocsPerRun(100, func() {
		reader.Reset(body)
		request.Body = io.NopCloser(&reader)
		handler.ServeHTTP(&writer, request)
	})
	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(writer.body, &answer))
	t.Logf("%.0f allocations", took)
	return took, answer.Response
}
