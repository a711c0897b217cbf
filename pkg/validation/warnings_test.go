package validation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exitcodes"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/rules"
)

// on is a rule in YAML.
func on(action, operator, values string, more ...string) string {
	return fmt.Sprintf("{action: %s, exitCodes: {operator: %s, values: [%s]}%s}", action, operator, values, strings.Join(more, ""))
}

func TestDoubts(t *testing.T) {
	const (
		restart, terminate, all = "Restart", "Terminate", "RestartAllContainers"
		limit                   = ", maxRestarts: 3"
		leaveOut                = "; leave the rule out"
		orNever                 = "; leave the rule out, or use restartPolicy Never"
		moveUp                  = "; move it up, or leave it out"
		one                     = `container "x": restartPolicyRules[1] never matches: restartPolicyRules[0] before it matches all its exit codes` + moveUp
	)
	for name, tc := range map[string]struct {
		kind, policy string
		rules        []string
		warnings     []string
	}{
		"sensible":                           {"containers", "Never", []string{on(restart, "In", "42, 43"), on(terminate, "In", "7"), on(restart, "NotIn", "0")}, nil},
		"the same code with another besides": {"containers", "Never", []string{on(restart, "In", "1"), on(restart, "In", "1, 2")}, nil},

		"covered":                     {"containers", "Never", []string{on(restart, "In", "1, 2, 3"), on(terminate, "In", "3, 1")}, []string{one}},
		"covered by NotIn":            {"containers", "Never", []string{on(restart, "NotIn", "5"), on(restart, "In", "1, 256")}, []string{`container "x": restartPolicyRules[1]: no process ends with 256; exit codes are 0 to 255: leave it out`, one}},
		"NotIn covered by NotIn":      {"containers", "Never", []string{on(restart, "NotIn", "5, 6"), on(restart, "NotIn", "6, 5, 7")}, []string{one}},
		"NotIn not covered by NotIn":  {"containers", "Never", []string{on(restart, "NotIn", "5, 6"), on(restart, "NotIn", "6")}, nil},
		"NotIn without values covers": {"containers", "Never", []string{on(restart, "NotIn", ""), on(terminate, "In", "1")}, []string{one}},
		"covered by two": {"containers", "Never", []string{on(restart, "In", "1"), on(restart, "In", "2"), on(terminate, "In", "1, 2")},
			[]string{`container "x": restartPolicyRules[2] never matches: the rules before it match all its exit codes` + moveUp}},
		"what comes before is used up":           {"containers", "Never", []string{on(restart, "In", "1", limit), on(terminate, "In", "1")}, nil},
		"what comes before is used up, then not": {"containers", "Never", []string{on(restart, "In", "1", limit), on(restart, "In", "1"), on(restart, "In", "1", limit)}, []string{`container "x": restartPolicyRules[2] never matches: restartPolicyRules[1] before it matches all its exit codes` + moveUp}},

		"In without values": {"containers", "Never", []string{on(restart, "In", "")}, []string{`container "x": restartPolicyRules[0] never matches: its operator is In and it has no values; write exit codes, or leave the rule out`}},
		"no exit codes": {"containers", "Never", []string{on(restart, "In", "256, -1, 1000, 2147483647")},
			[]string{`container "x": restartPolicyRules[0] never matches: no process ends with 256, -1, 1000, ...; write exit codes from 0 to 255, or leave the rule out`}},
		"not all are exit codes":  {"containers", "Never", []string{on(restart, "In", "42, -42")}, []string{`container "x": restartPolicyRules[0]: no process ends with -42; exit codes are 0 to 255: leave it out`}},
		"NotIn with no exit code": {"containers", "Never", []string{on(restart, "NotIn", "0, 300")}, []string{`container "x": restartPolicyRules[0]: no process ends with 300; exit codes are 0 to 255: leave it out`}},

		"Always restarts anyway":             {"containers", "Always", []string{on(restart, "In", "0, 42")}, []string{`container "x": restartPolicyRules[0] has no effect: the restartPolicy Always restarts on these exit codes anyway` + orNever}},
		"OnFailure restarts anyway":          {"containers", "OnFailure", []string{on(restart, "NotIn", "0")}, []string{`container "x": restartPolicyRules[0] has no effect: the restartPolicy OnFailure restarts on these exit codes anyway` + orNever}},
		"OnFailure, and on success":          {"containers", "OnFailure", []string{on(restart, "In", "0, 42")}, nil},
		"OnFailure, success decided before":  {"containers", "OnFailure", []string{on(terminate, "In", "0"), on(restart, "In", "0, 42")}, []string{`container "x": restartPolicyRules[1] has no effect: the restartPolicy OnFailure restarts on these exit codes anyway` + orNever}},
		"except from a rule behind":          {"containers", "Always", []string{on(restart, "In", "42"), on(terminate, "NotIn", "0")}, nil},
		"except from a rule behind, in part": {"containers", "Always", []string{on(restart, "In", "42, 43"), on(terminate, "In", "43, 44")}, nil},
		"except from all containers behind":  {"containers", "Always", []string{on(restart, "In", "42"), on(all, "NotIn", "0")}, nil},
		"limited, then ended":                {"containers", "Always", []string{on(restart, "In", "42", limit), on(terminate, "In", "42")}, nil},
		"limited, then restarted anyway": {"containers", "Always", []string{on(restart, "In", "42", limit)},
			[]string{`container "x": restartPolicyRules[0]: its maxRestarts has no effect, the restartPolicy Always goes on restarting; add a rule with action Terminate behind it, or use restartPolicy Never`}},

		"init, success": {"initContainers", "Never", []string{on(restart, "In", "0")}, []string{`container "x": restartPolicyRules[0] never matches: an init container that ends with 0 is done, and no rule is asked` + leaveOut}},
		"init, also success": {"initContainers", "Never", []string{on(terminate, "In", "0, 1")}, []string{
			`container "x": restartPolicyRules[0]: 0 has no effect, an init container that ends with it is done and no rule is asked; leave it out`}},
		"init, NotIn with success":      {"initContainers", "Never", []string{on(restart, "NotIn", "5")}, nil},
		"init, covered but for success": {"initContainers", "Never", []string{on(restart, "NotIn", "0"), on(terminate, "NotIn", "5")}, []string{one}},
		"init, OnFailure":               {"initContainers", "OnFailure", []string{on(restart, "NotIn", "5")}, []string{`container "x": restartPolicyRules[0] has no effect: the restartPolicy OnFailure restarts on these exit codes anyway` + orNever}},
		"init, for ever":                {"initContainers", "Never", []string{on(all, "NotIn", "5")}, []string{`container "x": restartPolicyRules[0] restarts all containers also when this init container succeeds, for ever: except exit code 0`}},
		"init, ends the Pod":            {"initContainers", "Never", []string{on("TerminatePod", "NotIn", "5")}, []string{`container "x": restartPolicyRules[0] ends the whole Pod also when this init container succeeds: except exit code 0`}},
		"all on success, by the way":    {"containers", "Never", []string{on(all, "NotIn", "5")}, []string{`container "x": restartPolicyRules[0] restarts all containers also when this container succeeds, so the Pod never completes; if that is not meant, add 0 to its values`}},
		"all on success, meant":         {"containers", "Never", []string{on(all, "In", "0")}, nil},
		"the Pod ends on success":       {"containers", "Never", []string{on("TerminatePod", "NotIn", "5")}, nil},
		"init, all containers":          {"initContainers", "Never", []string{on(all, "NotIn", "0")}, nil},
		"init, success before all":      {"initContainers", "Never", []string{on(restart, "In", "0"), on(all, "NotIn", "5")}, nil},

		"sidecar, restart": {"initContainers", "Always", []string{on(restart, "In", "1")}, []string{`container "x": restartPolicyRules[0] has no effect: a sidecar is always restarted` + leaveOut}},
		"sidecar, terminate": {"initContainers", "Always", []string{on(terminate, "In", "1"), on(all, "In", "2")},
			[]string{`container "x": restartPolicyRules[0] has no effect: a sidecar is always restarted` + leaveOut}},
		"sidecar, before all": {"initContainers", "Always", []string{on(restart, "In", "1"), on(all, "NotIn", "0")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			entry := fmt.Sprintf("{restartPolicy: %s, restartPolicyRules: [%s]}", tc.policy, strings.Join(tc.rules, ", "))
			p := pod(t, fmt.Sprintf("metadata: {annotations: {restartrules.dev/rules: %q}}\nspec: {%s: [{name: x%s}]}",
				fmt.Sprintf("%s: {x: %s}", tc.kind, entry), tc.kind, map[bool]string{true: ", restartPolicy: Always"}[tc.kind == "initContainers" && tc.policy == "Always"]))
			_, warnings, errs := Pod(p, nil, Options{RestartAllContainers: true})
			require.Empty(t, errs)
			require.Equal(t, tc.warnings, warnings)
		})
	}
}

func TestDoubtsOfNativeRules(t *testing.T) {
	fields := "restartPolicy: Never\nrestartPolicyRules: [" + aRule + ", " + aRule + "]"
	for _, list := range []string{"containers", "initContainers"} {
		_, warnings, errs := Pod(pod(t, native(list, fields)), nil, Options{})
		require.Empty(t, errs)
		require.Equal(t, []string{`container "a": restartPolicyRules[1] never matches: restartPolicyRules[0] before it matches all its exit codes; move it up, or leave it out`}, warnings)
	}
}

func TestNoDoubtsOfWhatIsRefused(t *testing.T) {
	_, warnings, errs := Pod(pod(t, native("containers", "restartPolicy: Never\nrestartPolicyRules: [{action: Restart}, "+repeat(aRule, 21)+"]")), nil, Options{})
	require.NotEmpty(t, errs)
	require.Empty(t, warnings)
}

// random are rules that a container may have, over few codes, so that they meet.
func random(r *rand.Rand, kind rules.Kind) Resolved {
	policies := []corev1.ContainerRestartPolicy{"Never", "OnFailure", "Always"}
	policy := policies[r.IntN(len(policies))]
	switch {
	case kind == rules.Sidecar:
		policy = "Always"
	case kind == rules.Init && policy == "Always":
		policy = "Never"
	}
	c := Resolved{Rules: manifest.Rules{RestartPolicy: &policy}}
	for range r.IntN(6) {
		codes := &corev1.ContainerRestartRuleOnExitCodes{Operator: []corev1.ContainerRestartRuleOnExitCodesOperator{"In", "In", "NotIn"}[r.IntN(3)]}
		for range r.IntN(4) {
			codes.Values = append(codes.Values, []int32{0, 1, 2, 3, 64, 255, 256, -1, -256}[r.IntN(9)])
		}
		if r.IntN(8) == 0 {
			for range 40 {
				codes.Values = append(codes.Values, int32(r.IntN(258)))
			}
		}
		rule := corev1.ContainerRestartRule{Action: []corev1.ContainerRestartRuleAction{"Restart", "Restart", rules.ActionTerminate, "RestartAllContainers"}[r.IntN(4)], ExitCodes: codes}
		var limit rules.Limit
		if rule.Action == "Restart" && r.IntN(3) == 0 {
			limit.MaxRestarts = 2
		}
		c.RestartPolicyRules, c.Limits = append(c.RestartPolicyRules, rule), append(c.Limits, limit)
	}
	return c
}

// outcomes are, for each exit code, what happens again and again until it changes for good; -1 is a
// restart that is limited.
func outcomes(kind rules.Kind, c Resolved) (list [rules.Codes]string) {
	container := &rules.Container{Kind: kind, Policy: c.RestartPolicy, Rules: c.RestartPolicyRules, Limits: c.Limits}
	o := rules.NewOutcomes(corev1.RestartPolicyNever, container)
	for code := range list {
		chain := o.After(code)
		last := chain[len(chain)-1].Action
		if last != rules.Restart {
			list[code] = strings.Repeat("limited ", len(chain)-1)
		}
		list[code] += fmt.Sprint(last)
	}
	return list
}

// TestDoubtsAreTrue leaves out each rule that is said to be of no use: then nothing may change.
// The other way round, a rule that no exit code ever comes to must be named.
func TestDoubtsAreTrue(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	useless := 0
	for range 5_000 {
		kind := rules.Kind(r.IntN(3))
		c := random(r, kind)
		want := outcomes(kind, c)
		warnings := doubtsOf(nil, "x", kind, c)
		for i := range c.RestartPolicyRules {
			at := fmt.Sprintf("restartPolicyRules[%d]", i)
			named := slices.ContainsFunc(warnings, func(w string) bool {
				return strings.HasPrefix(w, `container "x": `+at+" never matches") || strings.HasPrefix(w, `container "x": `+at+" has no effect") ||
					strings.HasPrefix(w, `container "x": `+at+": its maxRestarts has no effect")
			})
			if named {
				useless++
				without := c
				without.RestartPolicyRules = slices.Delete(slices.Clone(c.RestartPolicyRules), i, i+1)
				without.Limits = slices.Delete(slices.Clone(c.Limits), i, i+1)
				require.Equal(t, want, outcomes(kind, without), "%s %+v %v", at, c, warnings)
			}
			if !named && kind == rules.Regular {
				require.True(t, decides(c, i), "%s %+v %v", at, c, warnings)
			}
		}
	}
	require.Greater(t, useless, 2_000, "the random rules must meet")
}

// decides reports whether any exit code comes to the rule.
func decides(c Resolved, rule int) bool {
	o := rules.NewOutcomes(corev1.RestartPolicyNever, &rules.Container{Policy: c.RestartPolicy, Rules: c.RestartPolicyRules, Limits: c.Limits})
	for code := range rules.Codes {
		if slices.ContainsFunc(o.After(code), func(d rules.Decision) bool { return d.Rule == rule }) {
			return true
		}
	}
	return false
}

// TestWarningsAreShort has each text with the longest of everything in it: from 256 bytes on the API
// server cuts warnings.
func TestWarningsAreShort(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	longest := strings.Repeat("x", 63)
	texts := map[string]bool{}
	for range 5_000 {
		kind := rules.Kind(r.IntN(3))
		c := random(r, kind)
		for i := range c.RestartPolicyRules {
			for j, v := range c.RestartPolicyRules[i].ExitCodes.Values {
				if !exitcodes.Possible(v) {
					c.RestartPolicyRules[i].ExitCodes.Values[j] = -2147483648 // the longest number
				}
			}
		}
		for range 10 - len(c.RestartPolicyRules) { // an index of two digits
			c.RestartPolicyRules = append(c.RestartPolicyRules, corev1.ContainerRestartRule{Action: "Restart", ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: "In"}})
			c.Limits = append(c.Limits, rules.Limit{})
		}
		slices.Reverse(c.RestartPolicyRules)
		slices.Reverse(c.Limits)
		for _, w := range doubtsOf(nil, longest+longest, kind, c) {
			require.Less(t, len(w), 255, w)
			_, text, _ := strings.Cut(w, "]")
			texts[text] = true
		}
	}
	require.Greater(t, len(texts), 12)

	p := pod(t, strings.ReplaceAll(annotated("containers: {b: {restartPolicy: Never, restartPolicyRules: ["+on("Restart", "In", "1", ", maxRestarts: 3")+"]}}"), "b", longest))
	_, warnings, _ := Pod(p, nil, Options{})
	for _, w := range warnings {
		require.Less(t, len(w), 255, w)
	}
}

// BenchmarkDoubts is for Pods with 10 containers of 20 rules each: the usual, where there is nothing
// to say, and one in which each rule but the first is of no use.
func BenchmarkDoubts(b *testing.B) {
	for _, values := range []int{5, 255} {
		for _, apart := range []bool{true, false} {
			var pod manifest.Pod
			policy := corev1.ContainerRestartPolicyNever
			for range 10 {
				c := manifest.Container{Name: "x", Rules: manifest.Rules{RestartPolicy: &policy}}
				for rule := range 20 {
					codes := &corev1.ContainerRestartRuleOnExitCodes{Operator: "In"}
					for i := range values {
						v := i
						if apart {
							v = rule*12 + i%12
						}
						codes.Values = append(codes.Values, int32(v))
					}
					c.RestartPolicyRules = append(c.RestartPolicyRules, corev1.ContainerRestartRule{Action: "Restart", ExitCodes: codes})
				}
				pod.Spec.Containers = append(pod.Spec.Containers, c)
			}
			b.Run(fmt.Sprintf("values=%d,warnings=%d", values, len(doubts(&pod, nil))), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Pod(&pod, nil, Options{})
				}
			})
		}
	}
}
