package compile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/rules"
)

func terminateRule(codes ...int32) corev1.ContainerRestartRule {
	r := restartRule("In", codes...)
	r.Action = rules.ActionTerminate
	return r
}

func restartAllRule(codes ...int32) corev1.ContainerRestartRule {
	r := restartRule("In", codes...)
	r.Action = corev1.ContainerRestartRuleActionRestartAllContainers
	return r
}

// superset are containers that say what native fields can't.
func superset() (list []rules.Container) {
	limits := []rules.Limit{{MaxRestarts: 2, Within: time.Minute}, {}}
	for _, kind := range []rules.Kind{rules.Regular, rules.Init} {
		for _, policy := range []corev1.ContainerRestartPolicy{"Always", "OnFailure", "Never"} {
			list = append(list,
				rules.Container{Kind: kind, Policy: &policy, Rules: []corev1.ContainerRestartRule{terminateRule(0, 7)}},
				rules.Container{Kind: kind, Policy: &policy, Rules: []corev1.ContainerRestartRule{restartRule("In", 42), terminateRule(42)}, Limits: limits, InPlace: true},
				rules.Container{Kind: kind, Policy: &policy, MaxRestarts: new(int32(3)), InPlace: true},
				rules.Container{Kind: kind, Policy: &policy, InPlace: true},
			)
		}
	}
	return list
}

func TestSupersetIsExact(t *testing.T) {
	extra := superset()
	all := append(variants(), extra...)
	for _, own := range podPolicies {
		for i := range extra {
			exact(t, own, extra[i:i+1], Compile(own, extra[i:i+1], Options{}))
			for j := range all {
				list := []rules.Container{extra[i], all[j]}
				exact(t, own, list, Compile(own, list, Options{}))
			}
		}
	}
}

func TestSurviveIsExactAndKeepsThePolicy(t *testing.T) {
	all := append(variants(), superset()...)
	for _, own := range podPolicies {
		for i := range all {
			for j := range all {
				list := []rules.Container{all[i], all[j]}
				result := Compile(own, list, Options{Survive: true})
				require.Equal(t, own, result.Policy)
				require.Empty(t, result.Why)
				exact(t, own, list, result)
			}
		}
	}
}

func TestDefaultMaxRestarts(t *testing.T) {
	never := corev1.ContainerRestartPolicyNever
	trainer := rules.Container{Name: "trainer", Policy: &never, Rules: []corev1.ContainerRestartRule{restartRule("In", 42)}}
	plain := rules.Container{Name: "plain"}
	own := rules.Container{Name: "own", Policy: &never, Rules: trainer.Rules, MaxRestarts: new(int32(9)), InPlace: true}

	result := Compile("OnFailure", []rules.Container{trainer, plain, own}, Options{MaxRestarts: new(int32(6))})
	require.EqualValues(t, "Never", result.Policy)
	require.Equal(t, exittable.Total{Max: 6}, *result.Containers[0].Total)
	require.Equal(t, exittable.Total{Max: 6}, *result.Containers[1].Total, "it is in place under Never, so it is counted")
	require.Equal(t, exittable.Total{Max: 9}, *result.Containers[2].Total)

	result = Compile("OnFailure", []rules.Container{plain}, Options{MaxRestarts: new(int32(6))})
	require.False(t, result.Containers[0].Wrapped, "the kubelet restarts it and the Job controller counts")
	require.Nil(t, plain.MaxRestarts)
}

func TestSurvive(t *testing.T) {
	never := corev1.ContainerRestartPolicyNever
	trainer := rules.Container{Name: "trainer", Policy: &never, Rules: []corev1.ContainerRestartRule{restartRule("In", 42)}}
	c := Compile("Always", []rules.Container{trainer}, Options{Survive: true}).Containers[0]
	require.Equal(t, "0-41:linger,42:end,43-255:linger", c.OnExit.String())
	require.Equal(t, "0-41,43-255", c.Lingers)
	trainer.MaxRestarts, trainer.InPlace = new(int32(1)), true
	c = Compile("Always", []rules.Container{trainer}, Options{Survive: true}).Containers[0]
	require.Equal(t, "0-41:linger,42:restart/0,43-255:linger", c.OnExit.String())
	require.Equal(t, "1/linger", c.Total.String())
}

func TestNative(t *testing.T) {
	policy := func(p corev1.ContainerRestartPolicy) *corev1.ContainerRestartPolicy { return &p }
	restart := Features{Restart: true}
	both := Features{Restart: true, RestartAll: true}
	rule := []corev1.ContainerRestartRule{restartRule("In", 42)}
	all := []corev1.ContainerRestartRule{restartAllRule(88)}

	for name, tc := range map[string]struct {
		own      corev1.RestartPolicy
		c        rules.Container
		features Features
		table    string // empty: not wrapped
		policy   string
		rules    []corev1.ContainerRestartRule
	}{
		"rules stay": {"Always", rules.Container{Policy: policy("Never"), Rules: rule}, restart, "", "Never", rule},
		"nothing":    {"Always", rules.Container{}, restart, "", "", nil},
		"init stays": {"Always", rules.Container{Kind: rules.Init, Policy: policy("Never")}, restart, "", "Never", nil},
		"back-off": {"Always", rules.Container{Policy: policy("Never"), Rules: rule, InPlace: true}, restart,
			"0-41:end,42:restart/0,43-255:end", "Never", nil},
		"back-off, no policy": {"OnFailure", rules.Container{InPlace: true}, restart, "0:end,1-255:restart/policy", "", nil},
		"terminate": {"Always", rules.Container{Policy: policy("Always"), Rules: []corev1.ContainerRestartRule{terminateRule(7)}}, restart,
			"0-6:restart/policy,7:end,8-255:restart/policy", "Never", nil},
		"terminate with success": {"Always", rules.Container{Policy: policy("Always"), Rules: []corev1.ContainerRestartRule{terminateRule(0)}}, restart,
			"0-255:end", "OnFailure", nil},
		"terminate in an init container": {"Always", rules.Container{Kind: rules.Init, Policy: policy("OnFailure"), Rules: []corev1.ContainerRestartRule{terminateRule(7)}}, restart,
			"0:end,1-6:restart/policy,7:end,8-255:restart/policy", "Never", nil},
		"all containers":            {"Never", rules.Container{Policy: policy("Never"), Rules: all}, both, "", "Never", all},
		"all containers, a sidecar": {"Never", rules.Container{Kind: rules.Sidecar, Policy: policy("Always"), Rules: all}, both, "", "Always", all},
		"all containers, back-off": {"OnFailure", rules.Container{Policy: policy("OnFailure"), Rules: all, InPlace: true}, both,
			"0:end,1-87:restart/policy,88:end,89-255:restart/policy", "OnFailure", all},
		"all containers, init, back-off": {"Always", rules.Container{Kind: rules.Init, Policy: policy("OnFailure"), Rules: all, InPlace: true}, both,
			"0:end,1-87:restart/policy,88:end,89-255:restart/policy", "OnFailure", all},
	} {
		t.Run(name, func(t *testing.T) {
			result := Compile(tc.own, []rules.Container{tc.c}, Options{Native: tc.features})
			require.Equal(t, tc.own, result.Policy)
			require.Empty(t, result.Why)
			c := result.Containers[0]
			table, carried := "", ""
			if c.OnExit != nil {
				table = c.OnExit.String()
			}
			if c.Policy != nil {
				carried = string(*c.Policy)
			}
			require.Equal(t, tc.table, table)
			require.Equal(t, tc.policy, carried)
			require.Equal(t, tc.rules, c.Rules)
		})
	}
}
