package admission

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/validation"
)

// TestNamespacesDiffer: Pods and workloads are decided with the options of their namespace.
func TestNamespacesDiffer(t *testing.T) {
	hook, _ := newTestWebhook(t)
	hook.UseNamespaces(func(namespace string) inject.Options {
		options := testOptions
		if namespace == "strict" {
			options.Allowed = validation.Allowed{Actions: []corev1.ContainerRestartRuleAction{}}
		}
		options.Labels = map[string]string{"from": namespace}
		return options
	})
	review := create(t, rulesPod())
	response := ask(t, hook.Handlers()[MutatePath], review)
	require.True(t, response.Allowed)
	patched := applyPatch(t, review.Request.Object.Raw, response.Patch)
	require.Contains(t, string(patched), `"from":"default"`)

	const refused = `: Forbidden: action Restart is not allowed here: the Configuration of Restart Rules in this cluster says so (rules.allowedActions), it allows none; ` +
		`leave the rule out, or ask those who run the cluster to allow it`
	review.Request.Namespace = "strict"
	response = ask(t, hook.Handlers()[MutatePath], review)
	require.False(t, response.Allowed)
	require.Equal(t, `Pod "train" is invalid: spec.containers[0].restartPolicyRules[0].action`+refused, response.Result.Message)

	review = deployment(t, rulesPod())
	require.True(t, ask(t, hook.Handlers()[MutateWorkloadsPath], review).Allowed)
	review.Request.Namespace = "strict"
	response = ask(t, hook.Handlers()[MutateWorkloadsPath], review)
	require.False(t, response.Allowed)
	require.Equal(t, `Deployment.apps "web" is invalid: spec.template.spec.containers[0].restartPolicyRules[0].action`+refused, response.Result.Message)
}
