package live

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"restartrules.dev/pkg/api"
)

const planText = `{"version":1,"restartPolicy":{"own":"Never","compiled":"Never"},"containers":[{"name":"app","kind":"container","wrapped":true,"why":"","onExit":"0-255:end"}]}`

func reporting(annotations map[string]string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "train-0", UID: "0f7a", Annotations: map[string]string{api.PlanAnnotation: planText}},
		Spec:       corev1.PodSpec{Volumes: []corev1.Volume{{Name: api.ControlVolumeName}, {Name: api.ReportVolumeName}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning,
			InitContainerStatuses: []corev1.ContainerStatus{{Name: api.WatcherContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}},
	}
	for name, text := range annotations {
		pod.Annotations[name] = text
	}
	return pod
}

func forbidden(context.Context, *corev1.Pod, string, ...string) (Output, error) {
	return Output{}, errors.New("unable to upgrade connection")
}

// Without the right to run commands in the Pod it is what the Pod reports that counts.
func TestAwaitPausedByReport(t *testing.T) {
	client := fake.NewClientset(reporting(nil))
	looks := 0
	client.PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		looks++
		annotations := map[string]string{api.PausedAnnotation: "app"}
		if looks >= 3 {
			annotations[api.StatusAnnotation] = `{"version":1,"paused":"app"}`
		}
		return true, reporting(annotations), nil
	})
	c := &Client{Kubernetes: client, Namespace: "research", Exec: forbidden}
	p, err := c.Pod(t.Context(), "train-0")
	require.NoError(t, err)
	require.NoError(t, c.AwaitPaused(t.Context(), p, "app", time.Millisecond))
	require.Equal(t, 3, looks)
}

func TestAwaitPausedEnds(t *testing.T) {
	another := reporting(nil)
	another.UID = "other"
	over := reporting(nil)
	over.Status.Phase = corev1.PodFailed
	unheard := reporting(nil)
	unheard.Spec.Volumes = unheard.Spec.Volumes[:1]
	for want, now := range map[string]*corev1.Pod{
		"pod research/train-0 is gone: there is another of its name":           another,
		"pod research/train-0 has ended (Failed): nothing in it runs any more": over,
		ErrCantSee.Error():               unheard,
		context.DeadlineExceeded.Error(): reporting(nil),
	} {
		c := &Client{Kubernetes: fake.NewClientset(now), Namespace: "research", Exec: forbidden}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		require.EqualError(t, c.AwaitPaused(ctx, &Pod{Pod: reporting(nil)}, "true", time.Hour), want)
		cancel()
	}
}
