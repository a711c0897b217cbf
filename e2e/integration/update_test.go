//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"restartrules.dev/pkg/api"
)

// TestApplyTwice applies unchanged manifests again: that must be a no-op, not a change of fields
// that are immutable.
func TestApplyTwice(t *testing.T) {
	preStop := func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{
			PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"app", "--drain"}}},
		}
	}
	for name, changes := range map[string][]change{
		"native":           {withRules(42)},
		"native, sidecar":  {withRules(42), withSidecar},
		"native, preStop":  {withRules(42), preStop},
		"annotation":       {rulesAnnotation("42")},
		"Pod-level policy": {withPolicy(corev1.ContainerRestartPolicyNever)},
		"no rules":         nil,
	} {
		for how, args := range map[string][]string{
			"client side": {"apply", "-f", "-"},
			"server side": {"apply", "--server-side", "-f", "-"},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				pod := newPod(optedIn(t), changes...)
				out, err := kubectl(asJSON(t, pod), args...)
				require.NoError(t, err, out)
				first := stored(t, pod)
				out, err = kubectl(asJSON(t, pod), args...)
				require.NoError(t, err, out)
				second := stored(t, pod)
				require.Equal(t, first, second)
			})
		}
	}
}

func TestChangedRulesAreRefused(t *testing.T) {
	for name, changes := range map[string]struct{ first, second change }{
		"native":             {withRules(42), withRules(42, 43)},
		"annotation":         {rulesAnnotation("42"), rulesAnnotation("42, 43")},
		"annotation removed": {rulesAnnotation("42"), func(*corev1.Pod) {}},
		"Pod-level policy":   {withPolicy(corev1.ContainerRestartPolicyNever), withPolicy(corev1.ContainerRestartPolicyOnFailure)},
	} {
		for how, args := range map[string][]string{
			"client side": {"apply", "-f", "-"},
			"server side": {"apply", "--server-side", "-f", "-"},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				namespace := optedIn(t)
				out, err := kubectl(asJSON(t, newPod(namespace, changes.first)), args...)
				require.NoError(t, err, out)
				before := stored(t, newPod(namespace))
				out, err = kubectl(asJSON(t, newPod(namespace, changes.second)), args...)
				require.Error(t, err, out)
				require.Contains(t, out, "pod updates may not change restart rules")
				require.Equal(t, before, stored(t, newPod(namespace)))
			})
		}
	}
}

func TestMutableFieldsStayMutable(t *testing.T) {
	pod := create(t, newPod(optedIn(t), withRules(42)))
	pod.Labels["example.com/changed"] = "true"
	pod.Spec.Containers[0].Image = "example.com/app:2"
	require.NoError(t, s.client.Update(t.Context(), pod))
	require.Equal(t, "example.com/app:2", stored(t, pod).Spec.Containers[0].Image)

	pod.Spec.Containers[0].Command = []string{"other"}
	err := s.client.Update(t.Context(), pod)
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.ErrorContains(t, err, "pod updates may not change fields other than")
}

func TestMarksAreKept(t *testing.T) {
	pod := create(t, newPod(optedIn(t), withRules(42)))
	patch := client.RawPatch(types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"restartrules.dev/mode":null},"annotations":{"restartrules.dev/plan":"{}"}}}`))
	require.NoError(t, s.client.Patch(t.Context(), newPod(pod.Namespace), patch))
	live := stored(t, pod)
	require.Equal(t, api.ModeEmulated, live.Labels[api.ModeLabel])
	require.Equal(t, pod.Annotations, live.Annotations)
}

// TestUpdatesOfOthersAreNotLookedAt: changes of what is not ours pass by us.
func TestUpdatesOfOthersAreNotLookedAt(t *testing.T) {
	pod := create(t, newPod(optedIn(t), withRules(42)))
	before := calls(t)
	pod.Labels["example.com/changed"] = "true"
	pod.Annotations["example.com/changed"] = "true"
	pod.Finalizers = []string{"example.com/keep"}
	require.NoError(t, s.client.Update(t.Context(), pod))
	pod.Finalizers = nil
	require.NoError(t, s.client.Update(t.Context(), pod))
	pod.Status.Phase = corev1.PodRunning
	require.NoError(t, s.client.Status().Update(t.Context(), pod))
	require.NoError(t, deletePod(t.Context(), pod))
	require.InDelta(t, before, calls(t), 0)
}
