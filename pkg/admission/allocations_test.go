package admission

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	reviews "restartrules.dev/e2e/bench/review"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

// TestAllocations bounds what one request allocates. The limits are a tenth above what it took when they were set.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	options := inject.Options{Image: testOptions.Image, ShareProcessNamespace: true, ReadinessPort: inject.DefaultReadinessPort}
	hook, err := New(options, workload.BuiltIn(), logr.Discard(), prometheus.NewRegistry())
	require.NoError(t, err)
	handler := hook.Handlers()[MutatePath]
	for _, test := range []struct {
		kb    int
		rules bool
		most  float64
	}{
		{6, true, 320},
		{6, false, 95},
		{60, true, 555},
		{60, false, 130},
	} {
		t.Run(fmt.Sprintf("%d KB, rules: %t", test.kb, test.rules), func(t *testing.T) {
			pod, err := reviews.Pod(test.kb*1000, test.rules)
			require.NoError(t, err)
			body, err := reviews.Create(pod)
			require.NoError(t, err)
			request := post(nil)
			request.ContentLength = int64(len(body))
			var reader bytes.Reader
			writer := discardWriter{header: http.Header{}}
			got := testing.AllocsPerRun(100, func() {
				reader.Reset(body)
				request.Body = io.NopCloser(&reader)
				handler.ServeHTTP(&writer, request)
			})
			require.Equal(t, test.rules, bytes.Contains(writer.body, []byte(`"patchType":"JSONPatch"`)), "%s", writer.body)
			require.LessOrEqual(t, got, test.most, "allocations")
		})
	}
}
