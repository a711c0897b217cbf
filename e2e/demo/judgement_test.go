package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/rules"
)

func TestDecide(t *testing.T) {
	pod := podWith("p", `{"version":1,"restartPolicy":{"own":"Always","compiled":"Never"},"containers":[
		{"name":"migration","kind":"initContainer","wrapped":false,"why":"","declared":{"restartPolicy":"Never"}},
		{"name":"server","kind":"container","wrapped":false,"why":""},
		{"name":"annotated","kind":"container","wrapped":false,"why":""}]}`, corev1.PodRunning)
	pod.Annotations[api.RulesAnnotation] = `
containers:
  server: {backoff: none}
  annotated:
    restartPolicy: OnFailure
    restartPolicyRules:
    - action: Restart
      exitCodes: {operator: NotIn, values: [1, 2]}
`
	all, err := judgements(pod)
	require.NoError(t, err)
	for _, test := range []struct {
		container string
		code      int
		action    rules.Action
		text      string
	}{
		{"migration", 0, rules.Complete, "restartPolicy Never"},
		{"migration", 7, rules.Fail, "restartPolicy Never"},
		{"server", 0, rules.Restart, "the Pod's restartPolicy Always"},
		{"annotated", 0, rules.Restart, "restartPolicyRules[0]: Restart on NotIn [1 2]"},
		{"annotated", 2, rules.Restart, "restartPolicy OnFailure"},
	} {
		decision, text := all[test.container].decide(test.code)
		require.Equal(t, test.action, decision.Action, test)
		require.Equal(t, test.text, text, test)
	}
}

func TestAPodThatWasNotInjectedIsAnError(t *testing.T) {
	_, err := judgements(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}})
	require.ErrorContains(t, err, "pod p has no annotation restartrules.dev/plan")
	_, err = judgements(podWith("p", "{}", corev1.PodRunning))
	require.ErrorContains(t, err, "pod p: annotation restartrules.dev/plan: plan: has no version")
	pod := podWith("p", trainerPlan, corev1.PodRunning)
	pod.Annotations[api.RulesAnnotation] = "version: v0"
	_, err = judgements(pod)
	require.ErrorContains(t, err, "pod p: annotation restartrules.dev/rules: line 1")
}
