package admission

import (
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/inject"
)

// TestNativeIsCounted: Pods whose rules are left to the kubelet are told from those without rules.
func TestNativeIsCounted(t *testing.T) {
	hook, log := newTestWebhook(t)
	hook.UseNative(func() compile.Features { return compile.Features{Restart: true, RestartAll: true} })
	response := ask(t, hook.Handlers()[MutatePath], create(t, rulesPod()))
	require.True(t, response.Allowed)
	require.Nil(t, response.Patch)
	require.Equal(t, 1, hook.counted(t, "pods", "CREATE", "native"))
	require.Empty(t, log.String(), "nothing was changed")
	ask(t, hook.Handlers()[MutatePath], create(t, plainPod()))
	require.Equal(t, 1, hook.counted(t, "pods", "CREATE", "native"))
	require.Equal(t, 1, hook.counted(t, "pods", "CREATE", "unchanged"))
}

// TestWatchersAreExpected to report as soon as they run only of Pods that restart as a whole, and if reports are on.
func TestWatchersAreExpected(t *testing.T) {
	wholePod := func() *corev1.Pod {
		pod := rulesPod()
		pod.Spec.Containers[0].RestartPolicyRules[0].Action = corev1.ContainerRestartRuleActionRestartAllContainers
		return pod
	}
	for name, test := range map[string]struct {
		pod    *corev1.Pod
		url    string
		dryRun bool
		want   float64
	}{
		"a whole Pod":     {pod: wholePod(), url: "https://webhook/report", want: 1},
		"a container":     {pod: rulesPod(), url: "https://webhook/report"},
		"nobody to tell":  {pod: wholePod()},
		"it is a dry run": {pod: wholePod(), url: "https://webhook/report", dryRun: true},
	} {
		t.Run(name, func(t *testing.T) {
			hook, _ := newTestWebhook(t)
			hook.UseNamespaces(func(string) inject.Options {
				options := testOptions
				options.ReportURL = test.url
				return options
			})
			review := create(t, test.pod)
			review.Request.DryRun = &test.dryRun
			response := ask(t, hook.Handlers()[MutatePath], review)
			require.True(t, response.Allowed, response.Result)
			require.Equal(t, 1, hook.counted(t, "pods", "CREATE", "injected"))
			var metric dto.Metric
			require.NoError(t, hook.metrics.expected.WithLabelValues("default").Write(&metric))
			require.Equal(t, test.want, metric.GetCounter().GetValue())
		})
	}
}
