//go:build e2e

package tests

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

// What e2e/restartall plays is what Kubernetes does, too. Here is what only we do.

func rulesWith(action, more string) string {
	return `{"containers": {"app": {"restartPolicy": "Always", "restartPolicyRules": [
		{"action": "` + action + `", "exitCodes": {"operator": "In", "values": [42]}}]}}` + more + `}`
}

func TestRestartAllOnDemand(t *testing.T) {
	t.Parallel()
	p := newPod(t, "demand", true).container("peer").rules(rulesWith("RestartAllContainers", "")).create(t)
	p.waitStarts("app", 1)
	p.waitStarts("peer", 1)
	p.restartAll("peer", "--reason=new data")
	p.waitStarts("app", 2)
	p.waitStarts("peer", 2)
	require.Zero(t, status(p.get(), "app").RestartCount)
	eventually(t, "the watcher's log says why", func() bool {
		return containsAll(p.logs(api.WatcherContainer), `"msg":"restarted all containers in place"`, `"reason":"new data"`)
	})
}

func TestTerminatePodEndsAllWithTheirOwnCodes(t *testing.T) {
	t.Parallel()
	b := newPod(t, "terminate", true, "-run=10ms", "-after=peer", "-exit=42").container("peer", "-on-term=5").rules(rulesWith("TerminatePod", ""))
	b.Spec.RestartPolicy = corev1.RestartPolicyAlways
	pod := b.create(t).waitPhase(corev1.PodFailed)
	require.EqualValues(t, 42, status(pod, "app").State.Terminated.ExitCode)
	require.EqualValues(t, 5, status(pod, "peer").State.Terminated.ExitCode)
}

func TestExcludedContainersGoOn(t *testing.T) {
	t.Parallel()
	b := newPod(t, "excluded", true, "-run=10ms,0s", "-after=mesh", "-exit=42").container("mesh").rules(rulesWith("RestartAllContainers", ""))
	b.Annotations[api.ExcludeContainersAnnotation] = "mesh"
	p := b.create(t)
	p.waitStarts("app", 2)
	require.Equal(t, 1, starts(p.events("mesh")))
	require.Equal(t, "/app", p.get().Spec.Containers[1].Command[0], "no shim is in front of it")
}

func TestANewSandbox(t *testing.T) {
	t.Parallel()
	b := newPod(t, "sandbox", true, "-run=10ms,0s", "-after=peer", "-exit=42").container("peer").rules(rulesWith("RestartAllContainers", ""))
	delete(b.Annotations, api.ShareProcessNamespaceAnnotation)
	b.Annotations[api.StrategyAnnotation] = api.StrategySandbox
	b.Spec.RestartPolicy = corev1.RestartPolicyAlways
	b.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: appImage, ImagePullPolicy: corev1.PullIfNotPresent,
		Command: []string{"/app", "-record=/records/setup", "-run=10ms"}, VolumeMounts: b.Spec.Containers[0].VolumeMounts}}
	p := b.create(t)
	p.waitStarts("app", 2)
	p.waitStarts("peer", 2)
	require.Equal(t, 2, starts(p.events("setup")), "the kubelet runs the init containers again")
	eventually(t, "the kubelet counts it", func() bool { return status(p.get(), "app").RestartCount > 0 })
}

// A Pod in which nothing ends is not kept from being deleted, nor started again on the way.
func TestDeletionInTheMiddleOfARestart(t *testing.T) {
	t.Parallel()
	b := newPod(t, "deleted-restart", true, "-run=10ms,0s", "-after=slow", "-exit=42").container("slow", "-on-term=0", "-term-delay=5s").
		rules(rulesWith("RestartAllContainers", `, "restartAllContainers": {"terminationGracePeriodSeconds": 30}`))
	b.Spec.TerminationGracePeriodSeconds = ptr.To[int64](20)
	p := b.create(t)
	eventually(t, "the other is told to stop", func() bool {
		for _, e := range p.events("slow") {
			if e.Event == "term" {
				return true
			}
		}
		return false
	})
	p.remove()
	require.Equal(t, 1, starts(p.events("app")))
	require.Equal(t, 1, starts(p.events("slow")))
}

func containsAll(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
