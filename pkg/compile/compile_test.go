package compile

import (
	"fmt"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/rules"
)

var podPolicies = []corev1.RestartPolicy{"Always", "OnFailure", "Never"}

func restartRule(op corev1.ContainerRestartRuleOnExitCodesOperator, codes ...int32) corev1.ContainerRestartRule {
	return corev1.ContainerRestartRule{Action: "Restart", ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: op, Values: codes}}
}

// variants are all the containers that the enumeration combines.
func variants() (list []rules.Container) {
	ruleSets := [][]corev1.ContainerRestartRule{
		nil,
		{restartRule("In", 42)},
		{restartRule("In", 0)},
		{restartRule("NotIn", 0)},
		{restartRule("NotIn", 3), restartRule("In", 3, 255)},
	}
	for _, kind := range []rules.Kind{rules.Regular, rules.Init} {
		list = append(list, rules.Container{Kind: kind})
		for _, policy := range []corev1.ContainerRestartPolicy{"Always", "OnFailure", "Never"} {
			for _, rs := range ruleSets {
				list = append(list, rules.Container{Kind: kind, Policy: &policy, Rules: rs})
			}
		}
	}
	always := corev1.ContainerRestartPolicyAlways
	return append(list, rules.Container{Kind: rules.Sidecar, Policy: &always})
}

// gateOff is what a kubelet without container policies does, as a table: kind and policy to what
// happens after code 0 and after any other.
var gateOff = map[rules.Kind]map[corev1.RestartPolicy][2]bool{
	rules.Regular: {"Always": {true, true}, "OnFailure": {false, true}, "Never": {false, false}},
	rules.Init:    {"Always": {false, true}, "OnFailure": {false, true}, "Never": {false, false}},
	rules.Sidecar: {"Always": {true, true}, "OnFailure": {true, true}, "Never": {true, true}},
}

func kubelet(policy corev1.RestartPolicy, kind rules.Kind, code int) bool {
	if code == 0 {
		return gateOff[kind][policy][0]
	}
	return gateOff[kind][policy][1]
}

// possible reports whether policy, and shims in front of the containers in the set, can do all
// that Decide says: a shim can add restarts to the kubelet's, and none can be taken away.
func possible(policy, own corev1.RestartPolicy, list []rules.Container, wrapped uint) bool {
	for i := range list {
		for code := range exittable.Codes {
			want := rules.Decide(own, &list[i], int32(code)).Action == rules.Restart
			got := kubelet(policy, list[i].Kind, code)
			if got && !want || want && !got && wrapped&(1<<i) == 0 {
				return false
			}
		}
	}
	return true
}

// least is the smallest number of wrapped containers with any policy.
func least(own corev1.RestartPolicy, list []rules.Container) int {
	best := len(list) + 1
	for _, policy := range podPolicies {
		for wrapped := range uint(1) << len(list) {
			if n := bits.OnesCount(wrapped); n < best && possible(policy, own, list, wrapped) {
				best = n
			}
		}
	}
	return best
}

// exact wants kubelet and shims together to do what the decisions say, whatever is used up.
func exact(t *testing.T, own corev1.RestartPolicy, list []rules.Container, result Result) {
	t.Helper()
	about := func(i, code int) string {
		return fmt.Sprintf("own %s, compiled %s, container %d %+v, code %d", own, result.Policy, i, list[i], code)
	}
	for i, c := range result.Containers {
		if c.Wrapped != (c.OnExit != nil) {
			t.Fatalf("%s: wrapped %v, table %v", about(i, 0), c.Wrapped, c.OnExit)
		}
		outcomes := rules.NewOutcomes(own, &list[i])
		for code := range exittable.Codes {
			kubelet := kubelet(result.Policy, list[i].Kind, code)
			chain := outcomes.After(code)
			if !c.Wrapped {
				if len(chain) > 1 || kubelet != (chain[0].Action == rules.Restart) {
					t.Fatal(about(i, code))
				}
				continue
			}
			if len(c.OnExit.At(code)) != len(chain) {
				t.Fatalf("%s: %s for %v", about(i, code), c.OnExit.At(code), chain)
			}
			for n, want := range chain {
				step := c.OnExit.At(code)[n]
				inPlace := step.Action == exittable.Restart
				if (inPlace || step.Action == exittable.End && kubelet) != (want.Action == rules.Restart) {
					t.Fatalf("%s: %s for %v", about(i, code), c.OnExit.At(code), chain)
				}
				if inPlace && int(step.Rule) != want.Rule {
					t.Fatalf("%s: rule %d, want %d", about(i, code), step.Rule, want.Rule)
				}
				if limit := list[i].Limit(want.Rule); step.Max != limit.MaxRestarts && inPlace {
					t.Fatalf("%s: limit %d, want %+v", about(i, code), step.Max, limit)
				}
				if !inPlace && kubelet && want.Action == rules.Restart && list[i].InPlace {
					t.Fatalf("%s: not in place", about(i, code))
				}
			}
		}
		if most := list[i].MaxRestarts; most != nil {
			then := exittable.End
			if c.Wrapped {
				require.Equal(t, *most, c.Total.Max)
				then = c.Total.Then
			}
			for code := range exittable.Codes {
				if then == exittable.End && kubelet(result.Policy, list[i].Kind, code) {
					t.Fatalf("%s: restarted by the kubelet when all restarts are used up", about(i, code))
				}
			}
		}
	}
}

func verify(t *testing.T, own corev1.RestartPolicy, list []rules.Container) {
	t.Helper()
	result := Compile(own, list, Options{})
	exact(t, own, list, result)
	wrapped := 0
	for _, c := range result.Containers {
		if c.Wrapped {
			wrapped++
		}
	}
	if wrapped != least(own, list) {
		t.Fatalf("own %s, %+v: %d wrapped under %s, possible are %d", own, list, wrapped, result.Policy, least(own, list))
	}
	// Nothing before the result in the order of ties is as good.
	for _, p := range append([]corev1.RestartPolicy{own}, podPolicies...) {
		if p == result.Policy {
			break
		}
		for set := range uint(1) << len(list) {
			if bits.OnesCount(set) == wrapped && possible(p, own, list, set) {
				t.Fatalf("own %s, %+v: %s taken where %s is as good", own, list, result.Policy, p)
			}
		}
	}
	require.Equal(t, result.Policy == own, result.Why == "")
}

func TestCompileIsExactAndMinimal(t *testing.T) {
	all := variants()
	for _, own := range podPolicies {
		for i := range all {
			verify(t, own, all[i:i+1])
			for j := range all {
				verify(t, own, []rules.Container{all[i], all[j]})
			}
		}
	}
}

func TestCompile(t *testing.T) {
	policy := func(p corev1.ContainerRestartPolicy) *corev1.ContainerRestartPolicy { return &p }
	trainer := rules.Container{Name: "trainer", Policy: policy("Never"), Rules: []corev1.ContainerRestartRule{restartRule("In", 42)}}
	worker := rules.Container{Name: "worker", Policy: policy("OnFailure")}
	server := rules.Container{Name: "server", Policy: policy("Always")}
	setup := rules.Container{Name: "setup", Kind: rules.Init, Policy: policy("Never")}
	plain := rules.Container{Name: "plain"}

	for name, tc := range map[string]struct {
		own    corev1.RestartPolicy
		list   []rules.Container
		policy corev1.RestartPolicy
		why    string
		tables []string // empty: not wrapped
	}{
		"rule under Never": {"Never", []rules.Container{trainer}, "Never", "", []string{"0-41:end,42:restart/0,43-255:end"}},
		"rule under Always": {"Always", []rules.Container{trainer}, "Never",
			`container "trainer" ends for good on exit code 0`, []string{"0-41:end,42:restart/0,43-255:end"}},
		"policy only":     {"Never", []rules.Container{worker}, "OnFailure", `the kubelet then restarts container "worker" on exit code 1-255 by itself`, []string{""}},
		"same as the Pod": {"OnFailure", []rules.Container{worker}, "OnFailure", "", []string{""}},
		"two policies": {"Always", []rules.Container{worker, server}, "OnFailure",
			`container "worker" ends for good on exit code 0`, []string{"", "0:restart/policy,1-255:end"}},
		"init container that must not be retried": {"Always", []rules.Container{setup, plain}, "Never",
			`container "setup" ends for good on exit code 1`, []string{"", "0-255:restart/policy"}},
		"no containers": {"OnFailure", nil, "OnFailure", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			result := Compile(tc.own, tc.list, Options{})
			require.Equal(t, tc.policy, result.Policy)
			require.Equal(t, tc.why, result.Why)
			var tables []string
			for _, c := range result.Containers {
				table := ""
				if c.OnExit != nil {
					table = c.OnExit.String()
				}
				tables = append(tables, table)
				require.NotEmpty(t, c.Why)
			}
			require.Equal(t, tc.tables, tables)
		})
	}
}
