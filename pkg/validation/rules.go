package validation

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/rules"
)

const (
	maxRules     = 20
	maxExitCodes = 255
)

// As the API server lists them: sorted.
var (
	policies  = []corev1.ContainerRestartPolicy{corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure}
	operators = []corev1.ContainerRestartRuleOnExitCodesOperator{corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn}
)

// language is what rules may say in the place where they are written.
type language struct {
	// actions are in the order in which errors list them: sorted.
	actions []corev1.ContainerRestartRuleAction
	// sidecarRules says that sidecars may have rules, too.
	sidecarRules bool
	// allowed are those of the actions that may be used.
	allowed *Allowed
}

// Actions, sorted. They must not be changed.
var (
	restartOnly   = []corev1.ContainerRestartRuleAction{corev1.ContainerRestartRuleActionRestart}
	nativeActions = append(slices.Clip(restartOnly), corev1.ContainerRestartRuleActionRestartAllContainers)
)

// nativeLanguage is the language of the container's own fields.
func nativeLanguage(opts *Options) language {
	if opts.RestartAllContainers {
		return language{nativeActions, true, &opts.Allowed}
	}
	return language{restartOnly, false, &opts.Allowed}
}

// annotationLanguage is the language of the rules annotation, which has more actions.
func annotationLanguage(opts *Options) language {
	l := nativeLanguage(opts)
	l.actions = append(slices.Clip(l.actions), rules.ActionTerminate, rules.ActionTerminatePod)
	return l
}

// containerRules are the errors of the API server for a regular container's rules
// (upstream: pkg/apis/core/validation/validation.go of 1.36, validateContainerRestartPolicy).
// Paths are only made for errors.
func containerRules(r manifest.Rules, path func() *field.Path, l language) (errs field.ErrorList) {
	switch {
	case r.RestartPolicy != nil:
		if !slices.Contains(policies, *r.RestartPolicy) {
			errs = append(errs, field.NotSupported(path().Child("restartPolicy"), *r.RestartPolicy, policies))
		}
	case len(r.RestartPolicyRules) > 0:
		errs = append(errs, policyRequired(path()))
	}
	if n := len(r.RestartPolicyRules); n > maxRules {
		errs = append(errs, field.TooMany(path().Child("restartPolicyRules"), n, maxRules))
	}
	for i := range r.RestartPolicyRules {
		rule := &r.RestartPolicyRules[i]
		at := func(name string, more ...string) *field.Path {
			return path().Child("restartPolicyRules").Index(i).Child(name, more...)
		}
		if !slices.Contains(l.actions, rule.Action) {
			errs = append(errs, field.NotSupported(at("action"), rule.Action, l.actions))
		} else if !l.allowed.allows(rule.Action) {
			errs = append(errs, l.allowed.action(rule.Action, at("action")))
		}
		codes := rule.ExitCodes
		if codes == nil {
			errs = append(errs, field.Required(at("exitCodes"), "must be specified"))
			continue
		}
		if !slices.Contains(operators, codes.Operator) {
			errs = append(errs, field.NotSupported(at("exitCodes", "operator"), codes.Operator, operators))
		}
		if n := len(codes.Values); n > maxExitCodes {
			errs = append(errs, field.TooMany(at("exitCodes", "values"), n, maxExitCodes))
		}
	}
	return errs
}

// initContainerRules are the errors of the API server for an init container's or a sidecar's rules
// (upstream: validateInitContainerRestartPolicy in the same file).
func initContainerRules(r manifest.Rules, path func() *field.Path, l language) field.ErrorList {
	switch {
	case r.RestartPolicy == nil && len(r.RestartPolicyRules) > 0:
		return field.ErrorList{policyRequired(path())}
	case r.RestartPolicy != nil && *r.RestartPolicy == corev1.ContainerRestartPolicyAlways && !l.sidecarRules:
		if len(r.RestartPolicyRules) == 0 {
			return nil
		}
		return field.ErrorList{field.Forbidden(path().Child("restartPolicyRules"), "restartPolicyRules are not allowed for init containers with restart policy Always")}
	}
	return containerRules(r, path, l)
}

// ephemeralContainerRules are the errors of the API server for an ephemeral container that has what
// only other containers may have (upstream: validateEphemeralContainers in the same file). An empty
// list of rules is one, too.
func ephemeralContainerRules(r manifest.Rules, path *field.Path) (errs field.ErrorList) {
	const text = "cannot be set for an Ephemeral Container"
	if r.RestartPolicy != nil {
		errs = append(errs, field.Forbidden(path.Child("restartPolicy"), text))
	}
	if r.RestartPolicyRules != nil {
		errs = append(errs, field.Forbidden(path.Child("restartPolicyRules"), text))
	}
	return errs
}

func policyRequired(path *field.Path) *field.Error {
	return field.Required(path.Child("restartPolicy"), "must specify restartPolicy when restart rules are used")
}
