package validation

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/manifest"
)

const (
	maxRules     = 20
	maxExitCodes = 255
)

// As the API server lists them: sorted.
var (
	policies  = []corev1.ContainerRestartPolicy{corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure}
	actions   = []corev1.ContainerRestartRuleAction{corev1.ContainerRestartRuleActionRestart}
	operators = []corev1.ContainerRestartRuleOnExitCodesOperator{corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn}
)

// containerRules are the errors of the API server for a regular container's rules
// (upstream: pkg/apis/core/validation/validation.go, validateContainerRestartPolicy, with the gate
// RestartAllContainersOnContainerExits off, and the texts of 1.36).
func containerRules(r manifest.Rules, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch {
	case r.RestartPolicy != nil:
		if !slices.Contains(policies, *r.RestartPolicy) {
			errs = append(errs, field.NotSupported(path.Child("restartPolicy"), *r.RestartPolicy, policies))
		}
	case len(r.RestartPolicyRules) > 0:
		errs = append(errs, policyRequired(path))
	default:
		return nil
	}
	if n := len(r.RestartPolicyRules); n > maxRules {
		errs = append(errs, field.TooMany(path.Child("restartPolicyRules"), n, maxRules))
	}
	for i, rule := range r.RestartPolicyRules {
		path := path.Child("restartPolicyRules").Index(i)
		if !slices.Contains(actions, rule.Action) {
			errs = append(errs, field.NotSupported(path.Child("action"), rule.Action, actions))
		}
		codes, path := rule.ExitCodes, path.Child("exitCodes")
		if codes == nil {
			errs = append(errs, field.Required(path, "must be specified"))
			continue
		}
		if !slices.Contains(operators, codes.Operator) {
			errs = append(errs, field.NotSupported(path.Child("operator"), codes.Operator, operators))
		}
		if n := len(codes.Values); n > maxExitCodes {
			errs = append(errs, field.TooMany(path.Child("values"), n, maxExitCodes))
		}
	}
	return errs
}

// initContainerRules are the errors of the API server for an init container's or a sidecar's rules
// (upstream: validateInitContainerRestartPolicy in the same file).
func initContainerRules(r manifest.Rules, path *field.Path) field.ErrorList {
	switch {
	case r.RestartPolicy == nil && len(r.RestartPolicyRules) > 0:
		return field.ErrorList{policyRequired(path)}
	case r.RestartPolicy != nil && *r.RestartPolicy == corev1.ContainerRestartPolicyAlways:
		if len(r.RestartPolicyRules) == 0 {
			return nil
		}
		return field.ErrorList{field.Forbidden(path.Child("restartPolicyRules"), "restartPolicyRules are not allowed for init containers with restart policy Always")}
	}
	return containerRules(r, path)
}

func policyRequired(path *field.Path) *field.Error {
	return field.Required(path.Child("restartPolicy"), "must specify restartPolicy when restart rules are used")
}
