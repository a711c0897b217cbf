package rules

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestPhase(t *testing.T) {
	const goesOn = -1
	one := []Container{*without(Regular)}
	init := []Container{*with(Init, never), *without(Regular)}
	two := []Container{*with(Regular, never, rule(in, 42)), *without(Regular)}
	sidecar := []Container{*with(Sidecar, always), *without(Regular)}
	for name, tc := range map[string]struct {
		pod   corev1.RestartPolicy
		list  []Container
		codes []int32 // of each container; goesOn: it has not ended
		want  corev1.PodPhase
	}{
		"runs":                               {podNever, one, []int32{goesOn}, corev1.PodRunning},
		"success":                            {podNever, one, []int32{0}, corev1.PodSucceeded},
		"failure":                            {podNever, one, []int32{3}, corev1.PodFailed},
		"to be restarted":                    {podOnFailure, one, []int32{3}, corev1.PodRunning},
		"init runs":                          {podAlways, init, []int32{goesOn, goesOn}, corev1.PodPending},
		"init is done":                       {podAlways, init, []int32{0, goesOn}, corev1.PodRunning},
		"init has failed for good":           {podAlways, init, []int32{1, goesOn}, corev1.PodFailed},
		"init is retried":                    {podAlways, []Container{*without(Init), *without(Regular)}, []int32{1, goesOn}, corev1.PodPending},
		"one has failed, the other goes on":  {podAlways, two, []int32{1, goesOn}, corev1.PodRunning},
		"one has failed, the other restarts": {podAlways, two, []int32{1, 0}, corev1.PodRunning},
		"one has failed, the other is done":  {podNever, two, []int32{1, 0}, corev1.PodFailed},
		"a rule restarts one":                {podNever, two, []int32{42, 0}, corev1.PodRunning},
		"sidecars don't matter":              {podNever, sidecar, []int32{goesOn, 0}, corev1.PodSucceeded},
	} {
		t.Run(name, func(t *testing.T) {
			var exits []Exit
			for i, code := range tc.codes {
				if code != goesOn {
					exits = append(exits, Exit{&tc.list[i], code})
				}
			}
			require.Equal(t, tc.want, Phase(tc.pod, tc.list, exits))
		})
	}
}

// FuzzDecide feeds a container of any kind, policy and rules, two bytes a rule, and any code.
func FuzzDecide(f *testing.F) {
	f.Add(uint8(0), uint8(3), uint8(1), []byte{1, 42, 6, 0}, int32(42))
	f.Add(uint8(1), uint8(2), uint8(2), []byte{3, 0}, int32(0))
	f.Fuzz(func(t *testing.T, kind, policy, pod uint8, text []byte, code int32) {
		c := &Container{Kind: Kind(kind % 3)}
		if policies := []corev1.ContainerRestartPolicy{always, onFailure, never}; policy%4 < 3 {
			c.Policy = &policies[policy%4]
		}
		for ; len(text) > 1; text = text[2:] {
			r := rule([]corev1.ContainerRestartRuleOnExitCodesOperator{in, notIn}[text[0]&1], int32(text[1]))
			r.Action = []corev1.ContainerRestartRuleAction{"Restart", "RestartAllContainers", ActionTerminate, "?"}[text[0]>>1&3]
			c.Rules = append(c.Rules, r)
		}
		podPolicy := []corev1.RestartPolicy{podAlways, podOnFailure, podNever}[pod%3]
		d := Decide(podPolicy, c, code)
		if (d.Action == Complete) != (code == 0) && (d.Action == Complete || d.Action == Fail) {
			t.Fatalf("%+v: %v after %d", c, d, code)
		}
		if d.Rule != ByPolicy && (c.Policy == nil || d.Rule < 0 || d.Rule >= len(c.Rules) || match(c.Rules[:d.Rule+1], code) != d.Rule) {
			t.Fatalf("%+v: rule %d is not the first that matches %d", c, d.Rule, code)
		}
		if c.Kind == Sidecar && d.Action != Restart && d.Action != RestartAll {
			t.Fatalf("%+v: a sidecar ends: %v", c, d)
		}
		if code >= 0 && code < Codes && len(c.Rules) <= maxRules {
			if first := NewOutcomes(podPolicy, c).After(int(code))[0]; first != d {
				t.Fatalf("%+v: %v in advance, %v asked", c, first, d)
			}
		}
	})
}
