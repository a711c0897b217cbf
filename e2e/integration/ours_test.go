//go:build integration

package integration

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"restartrules.dev/pkg/api"
)

// forgedPlans are plans that a user might write.
var forgedPlans = []string{
	"", "{}", `{"version":1}`, `{"version":99}`,
	`{"version":1,"restartPolicy":{"own":"Always","compiled":"Never"},"containers":[{"name":"app","kind":"container","wrapped":true,"onExit":"0-255:end"}]}`,
}

// TestAnnotationsThatOnlyWeWrite: a user's plan and status are gone or replaced when the Pod is created.
func TestAnnotationsThatOnlyWeWrite(t *testing.T) {
	want := create(t, newPod(optedIn(t), withRules(42)))
	for i, forged := range forgedPlans {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			namespace := optedIn(t)
			pod := create(t, newPod(namespace, withRules(42), withAnnotation(api.PlanAnnotation, forged), withAnnotation(api.StatusAnnotation, forged)))
			require.Equal(t, want.Spec, pod.Spec)
			require.Equal(t, want.Annotations, pod.Annotations)

			plain := create(t, newPod(namespace, withName("plain"), withAnnotation(api.PlanAnnotation, forged), withAnnotation(api.StatusAnnotation, forged)))
			require.False(t, isInjected(plain))
			require.Empty(t, plain.Annotations)
			status := create(t, newPod(namespace, withName("status"), withAnnotation(api.StatusAnnotation, forged)))
			require.Empty(t, status.Annotations)
		})
	}
}

// TestEditsOfAnnotationsThatOnlyWeWrite: on a Pod that lives the plan stays, and nothing comes of a status.
func TestEditsOfAnnotationsThatOnlyWeWrite(t *testing.T) {
	annotate := func(pod *corev1.Pod, key, value string) {
		t.Helper()
		patch := asJSON(t, map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}})
		require.NoError(t, s.client.Patch(t.Context(), newPod(pod.Namespace, withName(pod.Name)), client.RawPatch(types.MergePatchType, patch)))
	}
	namespace := optedIn(t)
	injected := create(t, newPod(namespace, withRules(42)))
	policyOnly := create(t, newPod(namespace, withName("policy-only"), withPolicy(corev1.ContainerRestartPolicyNever)))
	plain := create(t, newPod(namespace, withName("plain")))
	for _, forged := range forgedPlans {
		for _, pod := range []*corev1.Pod{injected, policyOnly, plain} {
			if forged == "" && pod == plain {
				continue // says nothing, and is as good as none
			}
			annotate(pod, api.PlanAnnotation, forged)
			live := stored(t, pod)
			require.Equal(t, pod.Annotations, live.Annotations, "%s: %s", pod.Name, forged)
			require.Equal(t, pod.Spec, live.Spec)
		}
	}

	// A status passes by us, whatever it says; what else there is stays as it is.
	before := calls(t)
	annotate(injected, api.StatusAnnotation, `{"version":1,"restarts":1000000}`)
	annotate(plain, api.StatusAnnotation, "nonsense")
	require.InDelta(t, before, calls(t), 0)
	require.Equal(t, injected.Spec, stored(t, injected).Spec)

	// And it is in nobody's way.
	pod := stored(t, injected)
	pod.Spec.Containers[0].Image = "example.com/app:2"
	require.NoError(t, s.client.Update(t.Context(), pod))
	require.Equal(t, injected.Annotations[api.PlanAnnotation], stored(t, pod).Annotations[api.PlanAnnotation])
}

// TestPodsOfAnotherRelease: a Pod whose plan is newer than we read can be created and updated.
func TestPodsOfAnotherRelease(t *testing.T) {
	const newer = `{"version":2,"anything":"else"}`
	namespace := optedIn(t)
	pod := newPod(namespace, withRules(42))
	require.NoError(t, s.client.Create(t.Context(), pod, client.DryRunAll))
	pod.ResourceVersion, pod.UID = "", ""
	pod.Annotations[api.PlanAnnotation] = newer
	command := []string{api.ShimPath, "in", "another", "way", "--", "app", "--serve"}
	pod.Spec.Containers[0].Command = command
	live := create(t, pod)
	require.Equal(t, newer, live.Annotations[api.PlanAnnotation])
	require.Equal(t, command, live.Spec.Containers[0].Command)

	live.Spec.Containers[0].Image = "example.com/app:2"
	delete(live.Annotations, api.PlanAnnotation)
	require.NoError(t, s.client.Update(t.Context(), live))
	live = stored(t, live)
	require.Equal(t, "example.com/app:2", live.Spec.Containers[0].Image)
	require.Equal(t, newer, live.Annotations[api.PlanAnnotation], "it is its watcher's")
	live.Status.Phase = corev1.PodRunning
	require.NoError(t, s.client.Status().Update(t.Context(), live))
	require.NoError(t, deletePod(t.Context(), live))
}
