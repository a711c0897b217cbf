package differential

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"

	"restartrules.dev/pkg/rules"
)

var decisions = flag.Int("decisions", 2_000_000, "how many decisions are compared")

// TestDecisions compares what the kubelet does after an exit with what we decide.
func TestDecisions(t *testing.T) {
	setGate(t, true)
	g := &generator{Rand: rand.New(rand.NewPCG(*seed, 0))}
	count := map[rules.Decision]int{}
	byKind, byAction := map[rules.Kind]int{}, map[rules.Action]int{}
	for range *decisions {
		podPolicy := pick(g, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever, "")
		c := g.decided()
		code := g.code()
		want, got := kubelet(t, podPolicy, c, code), rules.Decide(podPolicy, c, code)
		if want != got {
			require.Equal(t, want, got, "Pod policy %q, exit code %d, %+v", podPolicy, code, c)
		}
		count[got]++
		byKind[c.Kind]++
		byAction[got.Action]++
	}
	t.Logf("%d decisions, seed %d: %d regular, %d init, %d sidecar; %d complete, %d fail, %d restart, %d restart all; %d different ones; differences: 0",
		*decisions, *seed, byKind[rules.Regular], byKind[rules.Init], byKind[rules.Sidecar],
		byAction[rules.Complete], byAction[rules.Fail], byAction[rules.Restart], byAction[rules.RestartAll], len(count))
	for _, action := range []rules.Action{rules.Complete, rules.Fail, rules.Restart, rules.RestartAll} {
		require.Greater(t, byAction[action], *decisions/100)
	}
}

// kubelet is what the kubelet does with a container of this Pod after it has exited with the code.
func kubelet(t *testing.T, podPolicy corev1.RestartPolicy, c *rules.Container, code int32) rules.Decision {
	container := corev1.Container{Name: c.Name, RestartPolicy: c.Policy, RestartPolicyRules: c.Rules}
	pod := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: podPolicy}}
	if c.Kind == rules.Regular {
		pod.Spec.Containers = []corev1.Container{container}
	} else {
		pod.Spec.InitContainers = []corev1.Container{container}
	}
	status := &kubecontainer.PodStatus{ContainerStatuses: []*kubecontainer.Status{
		{Name: c.Name, State: kubecontainer.ContainerStateExited, ExitCode: int(code)},
	}}

	matching := rules.ByPolicy
	if found, ok := podutil.FindMatchingContainerRestartRule(container, code); ok && c.Policy != nil {
		for i := range c.Rules {
			if c.Rules[i].ExitCodes == found.ExitCodes { // the pointer: it is this very rule
				matching = i
				break
			}
		}
	}
	if kubecontainer.ShouldAllContainersRestart(pod, status, nil) {
		return rules.Decision{Action: rules.RestartAll, Rule: matching}
	}
	restarts := kubecontainer.ShouldContainerBeRestarted(klog.Background(), &container, pod, status)
	require.Equal(t, podutil.ContainerShouldRestart(container, pod.Spec, code), restarts)
	decidedByRule := rules.ByPolicy
	if matching != rules.ByPolicy && c.Rules[matching].Action == corev1.ContainerRestartRuleActionRestart {
		decidedByRule = matching
	}
	ended := rules.Fail
	if code == 0 {
		ended = rules.Complete
	}
	switch {
	// These two are computeInitContainerActions (pkg/kubelet/kuberuntime/kuberuntime_container.go), which
	// isn't exported, for an exited container: a sidecar is started again whatever its rules, and another
	// init container is asked about only if it has failed (isInitContainerFailed; we don't know the reason OOMKilled).
	case podutil.IsRestartableInitContainer(&container) && c.Kind != rules.Regular:
		return rules.Decision{Action: rules.Restart, Rule: rules.ByPolicy}
	case c.Kind == rules.Init && code == 0:
		return rules.Decision{Action: rules.Complete, Rule: rules.ByPolicy}
	case restarts:
		return rules.Decision{Action: rules.Restart, Rule: decidedByRule}
	default:
		return rules.Decision{Action: ended, Rule: rules.ByPolicy}
	}
}

// decided is a container as validation lets it pass, or nearly: policies, actions and operators may
// also be unknown ones, which the kubelet ignores. Only RestartAllContainers without a policy is not
// among them: the kubelet would restart all containers then.
func (g *generator) decided() *rules.Container {
	c := &rules.Container{Name: "c", Kind: pick(g, rules.Regular, rules.Regular, rules.Init, rules.Sidecar)}
	policy := pick(g, corev1.ContainerRestartPolicyOnFailure, corev1.ContainerRestartPolicyNever)
	switch {
	case c.Kind == rules.Sidecar || c.Kind == rules.Regular && g.chance(30):
		policy = corev1.ContainerRestartPolicyAlways
	case g.chance(2):
		policy = "Sometimes"
	}
	actions := []corev1.ContainerRestartRuleAction{corev1.ContainerRestartRuleActionRestart, corev1.ContainerRestartRuleActionRestart}
	if c.Policy = &policy; c.Kind != rules.Sidecar && g.chance(25) {
		c.Policy = nil
	} else if g.chance(60) {
		actions = append(actions, corev1.ContainerRestartRuleActionRestartAllContainers)
	}
	for range g.IntN(5) {
		r := corev1.ContainerRestartRule{Action: pick(g, actions...)}
		if g.chance(2) {
			r.Action = "Explode"
		}
		if !g.chance(2) {
			r.ExitCodes = &corev1.ContainerRestartRuleOnExitCodes{Operator: pick(g, corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn)}
			if g.chance(2) {
				r.ExitCodes.Operator = "Near"
			}
			for range g.IntN(6) {
				r.ExitCodes.Values = append(r.ExitCodes.Values, g.code())
			}
		}
		c.Rules = append(c.Rules, r)
	}
	return c
}

// code is an exit code: one of all, or one of a few, so that rules match.
func (g *generator) code() int32 {
	if g.chance(40) {
		return int32(g.IntN(258)) - 1
	}
	return pick[int32](g, -1, 0, 0, 1, 2, 42, 137, 143, 255, 256)
}
