package admission

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/workload"
)

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
