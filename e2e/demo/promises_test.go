package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// trainerStory is that of the example retriable-exit-code, as it should be.
func trainerStory(t *testing.T) *story {
	s := newStory()
	see(t, s, podWith("retriable-exit-code", trainerPlan, corev1.PodRunning, running("trainer", "containerd://a", 0)))
	seeLogs(t, s, "retriable-exit-code", trainerLog...)
	see(t, s, podWith("retriable-exit-code", trainerPlan, corev1.PodSucceeded, ended("trainer", "containerd://a", 0, 0)))
	return s
}

func TestAPromiseIsBroken(t *testing.T) {
	require.NoError(t, promises[0].check(trainerStory(t)))
	for name, test := range map[string]struct {
		change func(p *podStory, c *containerStory)
		want   string
	}{
		"too few restarts":  {func(_ *podStory, c *containerStory) { c.attempts = c.attempts[:2] }, "1 restarts in place, expected 2"},
		"another container": {func(_ *podStory, c *containerStory) { c.last.containerID = "containerd://b" }, "not what it was"},
		"another address":   {func(_ *podStory, c *containerStory) { c.last.ip = "10.0.0.8" }, "not what it was"},
		"another Pod":       {func(_ *podStory, c *containerStory) { c.last.uid = "uid-2" }, "not what it was"},
		"never seen before": {func(_ *podStory, c *containerStory) { c.first, c.last = identity{}, identity{} }, "not what it was"},
		"restarted before it was seen": {func(_ *podStory, c *containerStory) {
			c.first.restartCount, c.last.restartCount = 1, 1
		}, "restartCount is 1"},
		"the same process":   {func(_ *podStory, c *containerStory) { c.attempts[2].pid = c.attempts[1].pid }, "does not follow"},
		"the same time":      {func(_ *podStory, c *containerStory) { c.attempts[2].at = c.attempts[1].at }, "does not follow"},
		"an attempt is lost": {func(_ *podStory, c *containerStory) { c.attempts[2].number = 4 }, "does not follow"},
		"still running":      {func(p *podStory, _ *containerStory) { p.pod.Status.Phase = corev1.PodRunning }, "the Pod is Running, expected Succeeded"},
		"another code": {func(p *podStory, _ *containerStory) {
			p.pod.Status.ContainerStatuses[0] = ended("trainer", "containerd://a", 0, 1)
		}, "ended with 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := trainerStory(t)
			p := s.pods["retriable-exit-code"]
			test.change(p, p.containers["trainer"])
			require.ErrorContains(t, promises[0].check(s), test.want)
		})
	}
}

func TestPromisesOfWhatIsNotThereAreNotKept(t *testing.T) {
	for _, p := range promises {
		require.ErrorContains(t, p.check(newStory()), "there is no such", p.subject)
	}
	require.False(t, newStory().allKept())
}
