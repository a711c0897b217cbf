package admission

import (
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"

	"restartrules.dev/pkg/compile"
)

func TestObserve(t *testing.T) {
	hook, _ := newTestWebhook(t)
	hook.Observe()
	handlers := hook.Handlers()
	for name, tc := range map[string]struct {
		request *admissionv1.AdmissionReview
		says    string // of the first warning, or nothing
		outcome outcome
	}{
		"injected": {create(t, rulesPod()), "Restart Rules only observes (--mode=observe): the watcher would be injected, and a shim in front of commands; no restart rule is applied now", outcomeObserved},
		"policy":   {create(t, policyPod()), "Restart Rules only observes (--mode=observe): the Pod's restartPolicy would be changed, for the kubelet to apply the rules", outcomeObserved},
		"refused":  {create(t, invalidPod()), "Restart Rules only observes (--mode=observe): this would be refused: spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used", outcomeObserved},
		"no rules": {create(t, plainPod()), "", outcomeUnchanged},
	} {
		t.Run(name, func(t *testing.T) {
			before := hook.counted(t, "pods", "CREATE", string(tc.outcome))
			response := ask(t, handlers[MutatePath], tc.request)
			require.True(t, response.Allowed)
			require.Empty(t, response.Patch)
			require.Equal(t, before+1, hook.counted(t, "pods", "CREATE", string(tc.outcome)))
			if tc.says == "" {
				require.Empty(t, response.Warnings)
			} else {
				require.Equal(t, tc.says, response.Warnings[0])
			}
			require.True(t, ask(t, handlers[ValidatePath], tc.request).Allowed)
		})
	}
}

// What was injected before we only observe is looked after.
func TestObserveLooksAfterWhatIsThere(t *testing.T) {
	hook, _ := newTestWebhook(t)
	user := rulesPod()
	injected := applyPatch(t, encodeJSON(t, user), ask(t, hook.Handlers()[MutatePath], create(t, user)).Patch)
	hook.Observe()
	review := create(t, user)
	review.Request.Operation = admissionv1.Update
	review.Request.OldObject.Raw = injected
	response := ask(t, hook.Handlers()[MutatePath], review)
	require.True(t, response.Allowed)
	require.NotEmpty(t, response.Patch)
	require.Zero(t, hook.counted(t, "pods", "UPDATE", "observed"))
}

func TestWhatIsNativeIsAskedForEachRequest(t *testing.T) {
	hook, _ := newTestWebhook(t)
	features := compile.Features{}
	hook.UseNative(func() compile.Features { return features })
	handler := hook.Handlers()[MutatePath]
	require.NotEmpty(t, ask(t, handler, create(t, rulesPod())).Patch)
	features.Restart = true
	require.Empty(t, ask(t, handler, create(t, rulesPod())).Patch)
	features.Restart = false
	require.NotEmpty(t, ask(t, handler, create(t, rulesPod())).Patch)
}
