//go:build e2e

package tests

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
)

// What the annotation can say and native fields can't.
func TestSuperset(t *testing.T) {
	for name, tc := range map[string]struct {
		policy corev1.RestartPolicy
		args   string // of the application
		app    string // the container's entry
		starts int
		code   int32
	}{
		"rule-used-up": {corev1.RestartPolicyNever, "-exit=42",
			`{restartPolicy: Never, backoff: none, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}, maxRestarts: 2}]}`, 3, 42},
		"next-rule": {corev1.RestartPolicyNever, "-exit=42",
			`{restartPolicy: Always, backoff: none, restartPolicyRules: [
				{action: Restart, exitCodes: {operator: In, values: [42]}, maxRestarts: 1, within: 1h},
				{action: Restart, exitCodes: {operator: NotIn, values: [0]}, maxRestarts: 2},
				{action: Terminate, exitCodes: {operator: In, values: [42]}}]}`, 4, 42},
		"terminate": {corev1.RestartPolicyAlways, "-exit=1,7",
			`{restartPolicy: Always, backoff: none, restartPolicyRules: [{action: Terminate, exitCodes: {operator: In, values: [7]}}]}`, 2, 7},
		"container-limit": {corev1.RestartPolicyAlways, "-exit=5", `{maxRestarts: 1, backoff: none}`, 2, 5},
	} {
		t.Run(name, func(t *testing.T) {
			b := newPod(t, name, true, "-run=100ms", tc.args).rules("containers: {app: " + strings.ReplaceAll(tc.app, "\n", " ") + "}")
			b.Spec.RestartPolicy = tc.policy
			p := b.create(t)
			pod := p.waitPhase(corev1.PodFailed)
			require.Equal(t, tc.code, status(pod, "app").State.Terminated.ExitCode)
			require.Equal(t, tc.starts, starts(p.events("app")))
			require.Zero(t, status(pod, "app").RestartCount)
		})
	}
}

func TestAPodThatPrefersToSurviveKeepsItsPolicy(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		b := newPod(t, "survive", shared, "-run=100ms", "-exit=3").container("other").restartOn(42)
		b.Spec.RestartPolicy = corev1.RestartPolicyAlways
		b.Annotations[api.PreferAnnotation] = api.PreferSurvive
		p := b.create(t)
		p.waitStarts("other", 1)
		p.waitPhase(corev1.PodRunning)
		eventually(t, "lingering", func() bool { return strings.Contains(p.logs("app"), "exit code 3 ends app for good") })
		pod := p.get()
		require.Equal(t, corev1.RestartPolicyAlways, pod.Spec.RestartPolicy)
		require.NotNil(t, status(pod, "app").State.Running, "the container stays")
		require.Zero(t, status(pod, "app").RestartCount)
		require.Equal(t, 1, starts(p.events("app")))

		// A lost sandbox starts it again, which is what is preferred. And it does not keep the Pod when
		// that is deleted.
		require.NoError(t, client.CoreV1().Pods(enabled).Delete(t.Context(), p.name, metav1.DeleteOptions{}))
		eventually(t, "gone", func() bool {
			_, err := client.CoreV1().Pods(enabled).Get(t.Context(), p.name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
		require.Equal(t, 1, starts(p.events("app")))
	})
}
