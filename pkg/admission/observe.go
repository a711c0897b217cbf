package admission

import (
	"bytes"

	admissionv1 "k8s.io/api/admission/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
)

// Observe has nothing changed and nothing refused, but said, as warnings and in the log, what would be. What
// carries our changes already is looked after as ever. It must be called before the first request.
func (h *Webhook) Observe() { h.observe = true }

// marks are the annotations by which what we have changed is known.
var marks = [][]byte{[]byte(`"` + api.PlanAnnotation + `"`), []byte(`"` + api.LiftedRulesAnnotation + `"`)}

// ours says whether an object may carry changes of ours.
func ours(object []byte) bool {
	for _, mark := range marks {
		if bytes.Contains(object, mark) {
			return true
		}
	}
	return false
}

// maxCause is the longest refusal that is quoted in a warning: API servers cut longer warnings.
const maxCause = 160

// observed answers with what would have been done.
func observed(result inject.Result, outcomeOf func(inject.Result) outcome) decision {
	response := &admissionv1.AdmissionResponse{Allowed: true, Warnings: result.Warnings}
	say := func(would string) decision {
		response.Warnings = append([]string{"Restart Rules only observes (--mode=observe): " + would}, response.Warnings...)
		return decision{response: response, outcome: outcomeObserved, counted: true}
	}
	switch {
	case len(result.Errors) > 0:
		cause := result.Errors[0].Error()
		if len(cause) > maxCause {
			cause = cause[:maxCause] + "…"
		}
		return say("this would be refused: " + cause)
	case len(result.Patch) == 0:
		return allowed(response, outcomeUnchanged)
	}
	switch outcomeOf(result) {
	case outcomeInjected:
		return say("the watcher would be injected, and a shim in front of commands; no restart rule is applied now")
	case outcomeLifted:
		return say("restart rules would be lifted into an annotation; no restart rule is applied now")
	default:
		return say("the Pod's restartPolicy would be changed, for the kubelet to apply the rules")
	}
}
