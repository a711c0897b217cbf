package compile

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/rules"
)

func terminatePodRule(codes ...int32) corev1.ContainerRestartRule {
	r := restartRule("In", codes...)
	r.Action = rules.ActionTerminatePod
	return r
}

// sources are containers whose exits concern the whole Pod.
func sources() (list []rules.Container) {
	for _, kind := range []rules.Kind{rules.Regular, rules.Init, rules.Sidecar} {
		for _, policy := range []corev1.ContainerRestartPolicy{"Always", "OnFailure", "Never"} {
			if (policy == "Always") != (kind == rules.Sidecar) && kind != rules.Regular {
				continue
			}
			list = append(list,
				rules.Container{Kind: kind, Policy: &policy, Rules: []corev1.ContainerRestartRule{restartAllRule(88)}},
				rules.Container{Kind: kind, Policy: &policy, Rules: []corev1.ContainerRestartRule{restartRule("In", 42), restartAllRule(0, 42, 88)}},
				rules.Container{Kind: kind, Policy: &policy, Rules: []corev1.ContainerRestartRule{restartAllRule(88), terminatePodRule(7)}},
			)
		}
	}
	return list
}

// exactAsAWhole wants kubelet, shims and watcher together to do what the decisions say.
func exactAsAWhole(t *testing.T, own corev1.RestartPolicy, list []rules.Container, result Result) {
	t.Helper()
	require.True(t, result.WholePod)
	for i, c := range result.Containers {
		outcomes := rules.NewOutcomes(own, &list[i])
		if list[i].Kind != rules.Init {
			require.True(t, c.Member && c.Wrapped)
			require.Nil(t, c.Replay)
		}
		for code := range exittable.Codes {
			want := outcomes.After(code)[0]
			kubelet := kubelet(result.Policy, list[i].Kind, code)
			if c.Wrapped {
				requireStep(t, want, c.OnExit.At(code)[0], kubelet, list[i].Kind != rules.Init)
			} else if kubelet != (want.Action == rules.Restart) {
				t.Fatalf("container %d is not wrapped, code %d: %+v", i, code, want)
			}
			if list[i].Kind == rules.Init {
				requireStep(t, want, c.Replay.At(code)[0], false, true)
			}
		}
	}
}

func requireStep(t *testing.T, want rules.Decision, step exittable.Step, kubelet, inPlace bool) {
	t.Helper()
	ok := step.Action == exittable.End && !kubelet
	switch want.Action {
	case rules.RestartAll:
		ok = step == exittable.Step{Action: exittable.All, Rule: int16(want.Rule)}
	case rules.EndPod:
		ok = step == exittable.Step{Action: exittable.Pod, Rule: int16(want.Rule)}
	case rules.Restart:
		ok = step.Action == exittable.Restart || !inPlace && step.Action == exittable.End && kubelet
	}
	if !ok {
		t.Fatalf("%+v for %+v, kubelet restarts: %v", step, want, kubelet)
	}
}

func TestWholePodIsExact(t *testing.T) {
	all := append(variants(), sources()...)
	for _, own := range podPolicies {
		for _, source := range sources() {
			for _, other := range all {
				list := []rules.Container{source, other}
				result := Compile(own, list, Options{})
				exactAsAWhole(t, own, list, result)
				for _, c := range list {
					for _, rule := range c.Rules {
						if rule.Action == rules.ActionTerminatePod && (source.Kind != rules.Sidecar || other.Kind != rules.Sidecar) {
							require.EqualValues(t, "Never", result.Policy)
						}
					}
				}
			}
		}
	}
}

func TestWholePod(t *testing.T) {
	policy := func(p corev1.ContainerRestartPolicy) *corev1.ContainerRestartPolicy { return &p }
	trainer := rules.Container{Name: "trainer", Policy: policy("Never"), Rules: []corev1.ContainerRestartRule{restartAllRule(88)}}
	server := rules.Container{Name: "server", Policy: policy("Always"), Rules: []corev1.ContainerRestartRule{restartAllRule(88)}}
	agent := rules.Container{Name: "agent", Kind: rules.Sidecar, Policy: policy("Always"), Rules: []corev1.ContainerRestartRule{restartAllRule(1)}}
	proxy := rules.Container{Name: "proxy", Kind: rules.Sidecar, Policy: policy("Always")}
	setup := rules.Container{Name: "setup", Kind: rules.Init}
	fetch := rules.Container{Name: "fetch", Kind: rules.Init, Policy: policy("Never"), Rules: []corev1.ContainerRestartRule{restartAllRule(1)}}
	plain := rules.Container{Name: "plain"}

	for name, tc := range map[string]struct {
		own      corev1.RestartPolicy
		list     []rules.Container
		opts     Options
		policy   string
		members  []string
		sidecars []string // init containers whose twin is a sidecar
	}{
		"regular source":           {"Never", []rules.Container{setup, trainer, plain}, Options{}, "Never", []string{"trainer", "plain"}, nil},
		"always":                   {"Always", []rules.Container{setup, server, plain}, Options{}, "Always", []string{"server", "plain"}, nil},
		"excluded":                 {"Always", []rules.Container{setup, server, plain}, Options{Excluded: map[string]bool{"plain": true, "setup": true}}, "Always", []string{"server"}, nil},
		"sidecar before":           {"OnFailure", []rules.Container{agent, setup, plain}, Options{}, "OnFailure", []string{"agent", "setup", "plain"}, nil},
		"sidecar behind":           {"OnFailure", []rules.Container{setup, agent, plain}, Options{}, "OnFailure", []string{"setup", "agent", "plain"}, []string{"setup"}},
		"something between":        {"OnFailure", []rules.Container{agent, setup, proxy, plain}, Options{}, "OnFailure", []string{"agent", "setup", "proxy", "plain"}, []string{"setup"}},
		"init source":              {"OnFailure", []rules.Container{setup, fetch, plain}, Options{}, "Never", []string{"setup", "fetch", "plain"}, []string{"setup"}},
		"native":                   {"Always", []rules.Container{setup, trainer, plain}, Options{Native: Features{Restart: true}}, "Always", []string{"trainer", "plain"}, nil},
		"Jobs don't count sidecar": {"OnFailure", []rules.Container{agent, plain}, Options{MaxRestarts: new(int32(6))}, "Never", []string{"agent", "plain"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			result := Compile(tc.own, tc.list, tc.opts)
			require.True(t, result.WholePod)
			require.EqualValues(t, tc.policy, result.Policy)
			var members, sidecars []string
			for i, c := range result.Containers {
				name := tc.list[i].Name
				if c.Member {
					members = append(members, name)
				}
				if c.SidecarTwin {
					sidecars = append(sidecars, name)
				}
				require.Equal(t, tc.list[i].Kind == rules.Init && !tc.opts.Excluded[name], c.Replay != nil, name)
				if tc.list[i].Kind == rules.Sidecar {
					require.Nil(t, c.Total)
				}
			}
			require.Equal(t, tc.members, members)
			require.Equal(t, tc.sidecars, sidecars)
		})
	}
}

func TestProbesOfContainersThatRestartInPlace(t *testing.T) {
	never := corev1.ContainerRestartPolicyNever
	trainer := rules.Container{Name: "trainer", Policy: &never, Rules: []corev1.ContainerRestartRule{restartRule("In", 42)}}
	worker := rules.Container{Name: "worker", Policy: new(corev1.ContainerRestartPolicyOnFailure), Rules: []corev1.ContainerRestartRule{restartRule("In", 0)}}
	plain := rules.Container{Name: "plain"}
	probed := map[string]bool{"trainer": true, "worker": true, "plain": true}

	result := Compile("Never", []rules.Container{trainer, plain}, Options{Probed: probed})
	require.False(t, result.WholePod)
	require.True(t, result.Containers[0].Member)
	require.False(t, result.Containers[1].Member, "the kubelet has nothing to restart")
	require.False(t, Compile("Never", []rules.Container{trainer}, Options{}).Containers[0].Member)
	require.False(t, Compile("Always", []rules.Container{trainer}, Options{Probed: probed, Survive: true}).Containers[0].Member)

	// The kubelet could restart it after some exits, but then the watcher would know of these only.
	worker.Rules[0].ExitCodes.Values = []int32{0}
	result = Compile("OnFailure", []rules.Container{worker, {Name: "done", Policy: &never, Kind: rules.Regular}}, Options{Probed: probed})
	require.True(t, result.Containers[0].Member)
	require.Equal(t, "0:restart/0,1-255:restart/policy", result.Containers[0].OnExit.String())
	exact(t, "OnFailure", []rules.Container{worker, {Name: "done", Policy: &never}}, result)
}

func TestWholePodWhereTheClusterHasIt(t *testing.T) {
	never := corev1.ContainerRestartPolicyNever
	trainer := rules.Container{Name: "trainer", Policy: &never, Rules: []corev1.ContainerRestartRule{restartAllRule(88)}}
	both := Options{Native: Features{Restart: true, RestartAll: true}}
	require.False(t, Compile("Never", []rules.Container{trainer}, both).WholePod)

	trainer.Rules = append(trainer.Rules, terminatePodRule(7))
	result := Compile("Always", []rules.Container{trainer, {Name: "setup", Kind: rules.Init}}, both)
	require.True(t, result.WholePod, "TerminatePod is native nowhere")
	require.Equal(t, "0-6:end,7:pod/1,8-87:end,88:all/0,89-255:end", result.Containers[0].OnExit.String())
	require.Equal(t, never, *result.Containers[0].Policy)
	require.Empty(t, result.Containers[0].Rules)
	require.Equal(t, never, *result.Containers[1].TwinPolicy)
}
