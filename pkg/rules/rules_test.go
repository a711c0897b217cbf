package rules

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

const (
	podAlways    = corev1.RestartPolicyAlways
	podOnFailure = corev1.RestartPolicyOnFailure
	podNever     = corev1.RestartPolicyNever

	always    = corev1.ContainerRestartPolicyAlways
	onFailure = corev1.ContainerRestartPolicyOnFailure
	never     = corev1.ContainerRestartPolicyNever

	in    = corev1.ContainerRestartRuleOnExitCodesOpIn
	notIn = corev1.ContainerRestartRuleOnExitCodesOpNotIn
)

func rule(op corev1.ContainerRestartRuleOnExitCodesOperator, codes ...int32) corev1.ContainerRestartRule {
	return corev1.ContainerRestartRule{
		Action:    corev1.ContainerRestartRuleActionRestart,
		ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: op, Values: codes},
	}
}

func ruleAll(op corev1.ContainerRestartRuleOnExitCodesOperator, codes ...int32) corev1.ContainerRestartRule {
	r := rule(op, codes...)
	r.Action = corev1.ContainerRestartRuleActionRestartAllContainers
	return r
}

func without(kind Kind) *Container { return &Container{Name: "c", Kind: kind} }

func with(kind Kind, policy corev1.ContainerRestartPolicy, rules ...corev1.ContainerRestartRule) *Container {
	return &Container{Name: "c", Kind: kind, Policy: &policy, Rules: rules}
}

func TestDecide(t *testing.T) {
	ignored := without(Regular)
	ignored.Rules = []corev1.ContainerRestartRule{rule(in, 42)}
	noCodes := rule(in)
	noCodes.ExitCodes = nil
	unknownAction := rule(in, 42)
	unknownAction.Action = "Explode"

	for name, tc := range map[string]struct {
		pod  corev1.RestartPolicy
		c    *Container
		code int32
		want Decision
	}{
		"pod always, success":              {podAlways, without(Regular), 0, Decision{Restart, -1}},
		"pod without policy":               {"", without(Regular), 0, Decision{Restart, -1}},
		"pod on failure, success":          {podOnFailure, without(Regular), 0, Decision{Complete, -1}},
		"pod on failure, failure":          {podOnFailure, without(Regular), 1, Decision{Restart, -1}},
		"pod never, success":               {podNever, without(Regular), 0, Decision{Complete, -1}},
		"pod never, failure":               {podNever, without(Regular), 1, Decision{Fail, -1}},
		"container's policy wins":          {podAlways, with(Regular, never), 1, Decision{Fail, -1}},
		"container on failure, success":    {podAlways, with(Regular, onFailure), 0, Decision{Complete, -1}},
		"container on failure, failure":    {podNever, with(Regular, onFailure), 7, Decision{Restart, -1}},
		"container always":                 {podNever, with(Regular, always), 0, Decision{Restart, -1}},
		"unknown container policy":         {podNever, with(Regular, "Sometimes"), 0, Decision{Complete, -1}},
		"rule matches":                     {podNever, with(Regular, never, rule(in, 42)), 42, Decision{Restart, 0}},
		"rule on success":                  {podNever, with(Regular, never, rule(in, 0)), 0, Decision{Restart, 0}},
		"no rule matches":                  {podAlways, with(Regular, never, rule(in, 42)), 41, Decision{Fail, -1}},
		"first of two matches":             {podNever, with(Regular, never, rule(notIn, 1), rule(in, 42)), 42, Decision{Restart, 0}},
		"second of two matches":            {podNever, with(Regular, never, rule(in, 1), rule(notIn, 1)), 42, Decision{Restart, 1}},
		"In nothing":                       {podNever, with(Regular, never, rule(in)), 0, Decision{Complete, -1}},
		"NotIn nothing":                    {podNever, with(Regular, never, rule(notIn)), 0, Decision{Restart, 0}},
		"rule without exit codes":          {podNever, with(Regular, never, noCodes), 42, Decision{Fail, -1}},
		"unknown operator":                 {podNever, with(Regular, never, rule("Near", 42)), 42, Decision{Fail, -1}},
		"unknown action":                   {podNever, with(Regular, never, unknownAction), 42, Decision{Fail, -1}},
		"rules without policy are ignored": {podNever, ignored, 42, Decision{Fail, -1}},
		"all containers":                   {podNever, with(Regular, never, ruleAll(in, 88)), 88, Decision{RestartAll, 0}},
		"restart before all":               {podNever, with(Regular, never, rule(in, 88), ruleAll(in, 88)), 88, Decision{Restart, 0}},
		"init, success":                    {podAlways, without(Init), 0, Decision{Complete, -1}},
		"init, success matches a rule":     {podAlways, with(Init, never, rule(notIn, 5)), 0, Decision{Complete, -1}},
		"init, success, all containers":    {podAlways, with(Init, never, ruleAll(in, 0)), 0, Decision{RestartAll, 0}},
		"init, failure, pod always":        {podAlways, without(Init), 1, Decision{Restart, -1}},
		"init, failure, pod on failure":    {podOnFailure, without(Init), 1, Decision{Restart, -1}},
		"init, failure, pod never":         {podNever, without(Init), 1, Decision{Fail, -1}},
		"init never, pod always":           {podAlways, with(Init, never), 1, Decision{Fail, -1}},
		"init on failure, pod never":       {podNever, with(Init, onFailure), 1, Decision{Restart, -1}},
		"init, rule":                       {podNever, with(Init, never, rule(in, 3)), 3, Decision{Restart, 0}},
		"sidecar, success":                 {podNever, with(Sidecar, always), 0, Decision{Restart, -1}},
		"sidecar, rule has no effect":      {podNever, with(Sidecar, always, rule(in, 1)), 1, Decision{Restart, -1}},
		"sidecar, all containers":          {podNever, with(Sidecar, always, ruleAll(in, 1)), 1, Decision{RestartAll, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, Decide(tc.pod, tc.c, tc.code))
		})
	}
}

// many has as many rules and codes as are allowed, none of which match.
func many() *Container {
	var rules []corev1.ContainerRestartRule
	for range 20 {
		rules = append(rules, rule(in, make([]int32, 255)...))
	}
	return with(Regular, never, rules...)
}

func TestDecideDoesNotAllocate(t *testing.T) {
	c := many()
	require.Zero(t, testing.AllocsPerRun(100, func() { Decide(podAlways, c, 42) }))
}
