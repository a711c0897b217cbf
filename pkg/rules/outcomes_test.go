package rules

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func limited(c *Container, limits ...Limit) *Container {
	c.Limits = limits
	return c
}

func terminate(codes ...int32) corev1.ContainerRestartRule {
	r := rule(in, codes...)
	r.Action = ActionTerminate
	return r
}

func TestOutcomes(t *testing.T) {
	thrice := Limit{MaxRestarts: 3, Within: time.Minute}
	for name, tc := range map[string]struct {
		pod  corev1.RestartPolicy
		c    *Container
		code int
		want []Decision
	}{
		"policy":                         {podNever, without(Regular), 1, []Decision{{Fail, -1}}},
		"rule without a limit":           {podNever, with(Regular, never, rule(in, 42)), 42, []Decision{{Restart, 0}}},
		"limit, then the policy":         {podNever, limited(with(Regular, never, rule(in, 42)), thrice), 42, []Decision{{Restart, 0}, {Fail, -1}}},
		"limit, another code":            {podNever, limited(with(Regular, never, rule(in, 42)), thrice), 41, []Decision{{Fail, -1}}},
		"limit, then the next that fits": {podNever, limited(with(Regular, never, rule(in, 42), rule(in, 1), ruleAll(in, 42)), thrice, thrice, Limit{}), 42, []Decision{{Restart, 0}, {RestartAll, 2}}},
		"two limits":                     {podAlways, limited(with(Regular, onFailure, rule(in, 0), rule(notIn)), thrice, thrice), 0, []Decision{{Restart, 0}, {Restart, 1}, {Complete, -1}}},
		"terminate":                      {podAlways, with(Regular, always, terminate(7)), 7, []Decision{{Fail, 0}}},
		"terminate with success":         {podAlways, with(Regular, always, terminate(0)), 0, []Decision{{Complete, 0}}},
		"limit, then terminate":          {podAlways, limited(with(Regular, always, rule(in, 7), terminate(7)), thrice, Limit{}), 7, []Decision{{Restart, 0}, {Fail, 1}}},
		"init container, success":        {podAlways, limited(with(Init, always, rule(in, 0)), thrice), 0, []Decision{{Complete, -1}}},
		"sidecar":                        {podAlways, limited(with(Sidecar, always, rule(in, 1)), thrice), 1, []Decision{{Restart, -1}}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, NewOutcomes(tc.pod, tc.c).After(tc.code))
		})
	}
}

func TestOutcomesBeginAsDecideSays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(n int) int { return random.IntN(n) }
	for range 2000 {
		c := &Container{Kind: Kind(pick(3))}
		if pick(5) > 0 {
			policy := []corev1.ContainerRestartPolicy{always, onFailure, never}[pick(3)]
			c.Policy = &policy
		}
		for range pick(6) {
			r := rule([]corev1.ContainerRestartRuleOnExitCodesOperator{in, notIn, "Near"}[pick(3)])
			r.Action = []corev1.ContainerRestartRuleAction{"Restart", "RestartAllContainers", ActionTerminate, "Explode"}[pick(4)]
			for range pick(4) {
				r.ExitCodes.Values = append(r.ExitCodes.Values, int32(pick(260)-2))
			}
			c.Rules = append(c.Rules, r)
			c.Limits = append(c.Limits, Limit{MaxRestarts: int32(pick(2))})
		}
		pod := []corev1.RestartPolicy{podAlways, podOnFailure, podNever}[pick(3)]
		outcomes := NewOutcomes(pod, c)
		for code := range Codes {
			chain := outcomes.After(code)
			require.Equal(t, Decide(pod, c, int32(code)), chain[0], "%+v, code %d", c, code)
			for _, d := range chain[:len(chain)-1] {
				require.Equal(t, Restart, d.Action)
				require.NotZero(t, c.Limit(d.Rule).MaxRestarts)
			}
		}
	}
}

func TestAfterDoesNotAllocate(t *testing.T) {
	outcomes := NewOutcomes(podAlways, many())
	require.Zero(t, testing.AllocsPerRun(100, func() { outcomes.After(42) }))
}

func BenchmarkOutcomes(b *testing.B) {
	b.Run("made for the most rules", func(b *testing.B) {
		c := many()
		b.ReportAllocs()
		for b.Loop() {
			NewOutcomes(podAlways, c)
		}
	})
	b.Run("asked, the most rules", func(b *testing.B) {
		outcomes := NewOutcomes(podAlways, many())
		b.ReportAllocs()
		for b.Loop() {
			outcomes.After(42)
		}
	})
}
