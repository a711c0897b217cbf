package admission

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/imageconfig"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

// testImages all run /train. Those that are known are known at once.
type testImages struct {
	known  map[string]bool
	asked  []string
	failed error
}

func (i *testImages) Known(_ string, _ []string, image string) (inject.Found, bool) {
	return i.found(), i.known[image]
}

func (i *testImages) LookUp(_ context.Context, _ string, _, images []string) map[string]inject.Found {
	i.asked = append(i.asked, images...)
	found := map[string]inject.Found{}
	for _, image := range images {
		found[image] = i.found()
	}
	return found
}

func (i *testImages) found() inject.Found {
	if i.failed != nil {
		return inject.Found{Err: i.failed}
	}
	return inject.Found{Image: &imageconfig.Image{Digest: "sha256:1",
		Platforms: []imageconfig.Platform{{Architecture: "amd64", Process: imageconfig.Process{Entrypoint: []string{"/train"}}}}}}
}

func TestImagesAreAskedForOnlyIfTheyAreNotKnown(t *testing.T) {
	pod := rulesPod()
	pod.Spec.Containers[0].Command = nil
	second := *pod.Spec.Containers[0].DeepCopy()
	second.Name, second.Image = "second", "example.com/second:1"
	pod.Spec.Containers = append(pod.Spec.Containers, second)
	for name, tc := range map[string]struct {
		known map[string]bool
		asked []string
	}{
		"none known": {nil, []string{"example.com/trainer:1", "example.com/second:1"}},
		"one known":  {map[string]bool{"example.com/trainer:1": true}, []string{"example.com/second:1"}},
		"all known":  {map[string]bool{"example.com/trainer:1": true, "example.com/second:1": true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			hook, _ := newTestWebhook(t)
			images := &testImages{known: tc.known}
			hook.UseImages(images)
			response := ask(t, hook.Handlers()[MutatePath], create(t, pod))
			require.True(t, response.Allowed)
			require.Contains(t, string(applyPatch(t, encodeJSON(t, pod), response.Patch)), `"/train"`)
			require.Equal(t, tc.asked, images.asked)
		})
	}
	hook, _ := newTestWebhook(t)
	hook.UseImages(&testImages{failed: errors.New("registry example.com answered 503")})
	response := ask(t, hook.Handlers()[MutatePath], create(t, pod))
	require.False(t, response.Allowed)
	require.Contains(t, response.Result.Message, "registry example.com answered 503")
}

// BenchmarkLookup is what it costs that the manifest doesn't say the command, if the image is known.
func BenchmarkLookup(b *testing.B) {
	for name, written := range map[string]bool{"command": true, "image": false} {
		b.Run(name, func(b *testing.B) {
			hook, err := New(testOptions, workload.BuiltIn(), logr.Discard(), prometheus.NewRegistry())
			require.NoError(b, err)
			pod := rulesPod()
			if !written {
				pod.Spec.Containers[0].Command = nil
			}
			hook.UseImages(&testImages{known: map[string]bool{pod.Spec.Containers[0].Image: true}})
			handler, body := hook.Handlers()[MutatePath], encodeJSON(b, create(b, pod))
			request := post(nil)
			request.ContentLength = int64(len(body))
			var reader bytes.Reader
			writer := discardWriter{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				reader.Reset(body)
				request.Body = io.NopCloser(&reader)
				handler.ServeHTTP(&writer, request)
			}
			require.Contains(b, string(writer.body), `"patchType":"JSONPatch"`)
		})
	}
}
