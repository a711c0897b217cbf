//go:build e2e

package tests

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"restartrules.dev/pkg/api"
)

// handlers are what a probe can do, against what the application serves with -serve=8080.
var handlers = map[string]corev1.ProbeHandler{
	"exec":      {Exec: &corev1.ExecAction{Command: []string{"test", "-e", "/tmp/serving"}}},
	"httpGet":   {HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("web")}},
	"grpc":      {GRPC: &corev1.GRPCAction{Port: 8081}},
	"tcpSocket": {TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8082)}},
}

// impatient is a probe that kills what doesn't answer for about two seconds.
func impatient(h corev1.ProbeHandler) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: h, PeriodSeconds: 1, FailureThreshold: 2}
}

func restartAllOn42() string {
	return `{"containers": {"app": {"restartPolicy": "Never", "restartPolicyRules": [
		{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]}}}`
}

// The application exits once, and takes three times failureThreshold times periodSeconds to serve again.
// Its probes allow for that, by initialDelaySeconds or a startupProbe, which a kubelet has behind it
// when the command is started again in place: without us it would kill the container.
func TestASlowStartInPlaceIsSurvived(t *testing.T) {
	for name, handler := range handlers {
		for kind, probes := range map[string]func(*corev1.Container){
			"liveness": func(c *corev1.Container) {
				c.LivenessProbe = impatient(handler)
				c.LivenessProbe.InitialDelaySeconds = 8
			},
			"startup": func(c *corev1.Container) {
				c.StartupProbe = impatient(handler)
				c.StartupProbe.FailureThreshold = 60
				c.LivenessProbe = impatient(handler)
			},
		} {
			for mode, rules := range map[string]string{"restart": restartAtOnce(42), "restart-all": restartAllOn42()} {
				t.Run(name+"/"+kind+"/"+mode, func(t *testing.T) {
					t.Parallel()
					// The first start outlasts initialDelaySeconds, or the kubelet would not have begun
					// to probe either.
					b := newPod(t, "slow-"+kind+"-"+mode+"-"+shortName[name], true, "-serve=8080", "-serve-after=0s,6s", "-run=10s,0s", "-exit=42").rules(rules)
					c := &b.Spec.Containers[0]
					c.Ports = []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}
					probes(c)
					p := b.create(t)
					eventually(t, "it serves again", func() bool { return servings(p.events("app")) == 2 })
					require.Equal(t, 2, starts(p.events("app")), "nobody killed it in between")
					eventually(t, "the Pod is ready", func() bool { return ready(p.get()) })
					require.Zero(t, status(p.get(), "app").RestartCount)
				})
			}
		}
	}
}

// The same Pod with the kubelet's own probes, which it keeps with prefer: survive.
func TestTheKubeletsProbesKillWhatStartsSlowlyInPlace(t *testing.T) {
	t.Parallel()
	b := newPod(t, "slow-survive", true, "-serve=8080", "-serve-after=0s,6s", "-run=10s,0s", "-exit=42").rules(restartAtOnce(42))
	b.Annotations[api.PreferAnnotation] = api.PreferSurvive
	b.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	c := &b.Spec.Containers[0]
	c.LivenessProbe = impatient(handlers["exec"])
	c.LivenessProbe.InitialDelaySeconds = 8
	p := b.create(t)
	eventually(t, "the kubelet restarts the container", func() bool { return status(p.get(), "app").RestartCount > 0 })
	require.Equal(t, 1, servings(p.events("app")), "it had not served again")
}

var shortName = map[string]string{"exec": "e", "httpGet": "h", "grpc": "g", "tcpSocket": "t"}

// The kubelet would stop the container, and under Never not start it again.
func TestWhatHangsIsRestartedInPlace(t *testing.T) {
	for name, handler := range handlers {
		for mode, rules := range map[string]string{
			"policy":      `{"containers": {"app": {"restartPolicy": "OnFailure", "backoff": "none"}}}`,
			"rule":        restartAtOnce(143),
			"restart-all": `{"containers": {"app": {"restartPolicy": "Never", "restartPolicyRules": [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [143]}}]}}}`,
		} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				b := newPod(t, "hangs-"+mode+"-"+shortName[name], true, "-serve=8080", "-hang-after=1s,0s").rules(rules)
				c := &b.Spec.Containers[0]
				c.Ports = []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}
				c.LivenessProbe = impatient(handler)
				p := b.create(t)
				eventually(t, "it serves again", func() bool { return servings(p.events("app")) == 2 })
				pod := p.get()
				require.Equal(t, corev1.PodRunning, pod.Status.Phase)
				require.Zero(t, status(pod, "app").RestartCount)
				require.Equal(t, api.ModeEmulated, pod.Labels[api.ModeLabel])
			})
		}
	}
}

func servings(events []event) (n int) {
	for _, e := range events {
		if e.Event == "serving" {
			n++
		}
	}
	return n
}

func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
