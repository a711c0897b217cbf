//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"restartrules.dev/pkg/api"
)

// change changes a Pod under construction.
type change func(*corev1.Pod)

// newPod returns a Pod of one container, "app", that runs a command.
func newPod(namespace string, changes ...change) *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "pod"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyAlways,
			Containers:    []corev1.Container{{Name: "app", Image: "example.com/app:1", Command: []string{"app", "--serve"}}},
		},
	}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

// withRules lets the container end on every exit code but those: that takes the watcher.
func withRules(codes ...int32) change {
	return func(pod *corev1.Pod) {
		pod.Spec.Containers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyNever)
		pod.Spec.Containers[0].RestartPolicyRules = []corev1.ContainerRestartRule{{
			Action: corev1.ContainerRestartRuleActionRestart,
			ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
				Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: codes,
			},
		}}
	}
}

// withPolicy gives the container a policy that the Pod's own can express.
func withPolicy(policy corev1.ContainerRestartPolicy) change {
	return func(pod *corev1.Pod) { pod.Spec.Containers[0].RestartPolicy = &policy }
}

func withSidecar(pod *corev1.Pod) {
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{
		Name: "proxy", Image: "example.com/proxy:1", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways),
	})
}

func withLabel(key, value string) change {
	return func(pod *corev1.Pod) { metav1.SetMetaDataLabel(&pod.ObjectMeta, key, value) }
}

func withAnnotation(key, value string) change {
	return func(pod *corev1.Pod) { metav1.SetMetaDataAnnotation(&pod.ObjectMeta, key, value) }
}

func withName(name string) change { return func(pod *corev1.Pod) { pod.Name = name } }

// rulesAnnotation is withRules as the annotation has it.
func rulesAnnotation(codes string) change {
	return withAnnotation(api.RulesAnnotation, fmt.Sprintf(`
version: v1
containers:
  app:
    restartPolicy: Never
    restartPolicyRules:
    - {action: Restart, exitCodes: {operator: In, values: [%s]}}
`, codes))
}

// newNamespace makes a namespace for one test, with labels by key, value, key, value.
func newNamespace(t *testing.T, labels ...string) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Labels: map[string]string{}}}
	for i := 0; i < len(labels); i += 2 {
		namespace.Labels[labels[i]] = labels[i+1]
	}
	require.NoError(t, s.client.Create(t.Context(), namespace))
	return namespace.Name
}

// optedIn makes a namespace whose Pods are injected.
func optedIn(t *testing.T) string {
	t.Helper()
	return newNamespace(t, api.InjectLabel, api.InjectEnabled)
}

// create stores a Pod and returns what is stored.
func create(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	require.NoError(t, s.client.Create(t.Context(), pod))
	return stored(t, pod)
}

func stored(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	var live corev1.Pod
	require.NoError(t, s.client.Get(t.Context(), client.ObjectKeyFromObject(pod), &live))
	return &live
}

func isInjected(pod *corev1.Pod) bool {
	return len(pod.Spec.InitContainers) > 0 && pod.Spec.InitContainers[0].Name == api.WatcherContainer
}

// usesRules reports whether any native field is left that the gates would drop.
func usesRules(pod *corev1.Pod) bool {
	for _, c := range pod.Spec.Containers {
		if c.RestartPolicy != nil || c.RestartPolicyRules != nil {
			return true
		}
	}
	return false
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return data
}

// apiServerMetric adds up a counter of the API server over all series that are about our webhooks.
func apiServerMetric(t *testing.T, name string) (sum float64) {
	t.Helper()
	text, err := kubectl(nil, "get", "--raw", "/metrics")
	require.NoError(t, err, text)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") && strings.Contains(line, ".restartrules.dev") {
			var value float64
			_, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &value)
			require.NoError(t, err, line)
			sum += value
		}
	}
	return sum
}

// calls is how often the API server has called our webhooks, with whatever result.
func calls(t *testing.T) float64 {
	t.Helper()
	return apiServerMetric(t, "apiserver_admission_webhook_request_total") +
		apiServerMetric(t, "apiserver_admission_webhook_admission_duration_seconds_count")
}

// deletePod removes a Pod at once.
func deletePod(ctx context.Context, pod *corev1.Pod) error {
	return s.client.Delete(ctx, pod, client.GracePeriodSeconds(0))
}

func isNotFound(t *testing.T, pod *corev1.Pod) bool {
	t.Helper()
	var live corev1.Pod
	err := s.client.Get(t.Context(), client.ObjectKeyFromObject(pod), &live)
	return apierrors.IsNotFound(err)
}
