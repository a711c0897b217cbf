//go:build e2e

package tests

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"restartrules.dev/e2e/mesh"
	"restartrules.dev/pkg/api"
)

// meshPod is a Pod with probes of the kinds that meshes rewrite, whose application runs for three seconds, ends
// with 42 and then goes on.
func meshPod(t *testing.T, name string, args ...string) *builder {
	b := newPod(t, name, true, append(args, "-run=3s,0s", "-exit=42", "-serve=8080")...)
	probe := func(h corev1.ProbeHandler) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: h, PeriodSeconds: 1, FailureThreshold: 30}
	}
	get := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8080)}}
	c := &b.Spec.Containers[0]
	c.StartupProbe, c.LivenessProbe = probe(get), probe(get)
	c.ReadinessProbe = probe(corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8082)}})
	return b
}

// injectedBy has the mesh inject before or after us.
func (b *builder) injectedBy(t *testing.T, inject func(*corev1.Pod), first bool) *builder {
	t.Helper()
	if !first {
		// As if ours came first: then the mesh's, and ours again when the Pod is created.
		pod, err := client.CoreV1().Pods(enabled).Create(t.Context(), &b.Pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		require.NoError(t, err)
		pod.ResourceVersion, pod.UID = "", ""
		b.Pod = *pod
	}
	inject(&b.Pod)
	return b
}

// meshOptions have the test application stand for the mesh's programs, without any command.
var meshOptions = mesh.Options{
	Image: appImage, Args: []string{"-agent=15020"}, InitArgs: []string{"-run=10ms"},
	PostStart: []string{"/app", "-run=10ms"},
}

var meshesOnKubelets = []struct {
	name, proxy string
	inject      func(mesh.Options) func(*corev1.Pod)
	change      func(*mesh.Options)
}{
	{"istio-sidecar", mesh.IstioProxy, mesh.Istio, func(o *mesh.Options) { o.Native = true }},
	{"istio-first", mesh.IstioProxy, mesh.Istio, func(o *mesh.Options) { o.ProxyFirst = true }},
	{"linkerd-sidecar", mesh.LinkerdProxy, mesh.Linkerd, func(o *mesh.Options) { o.Native = true }},
	{"linkerd-first", mesh.LinkerdProxy, mesh.Linkerd, func(o *mesh.Options) { o.ProxyFirst = true }},
}

// TestRestartsInAMesh: in place and of the whole Pod, with the proxy in the Pod and going on, injected
// before and after us.
func TestRestartsInAMesh(t *testing.T) {
	for _, m := range meshesOnKubelets {
		for order, first := range map[string]bool{"before": true, "after": false} {
			options := meshOptions
			m.change(&options)
			t.Run(m.name+"-"+order+"-in-place", func(t *testing.T) {
				t.Parallel()
				b := meshPod(t, m.name+"-"+order+"-in-place").rules(restartAtOnce(42)).injectedBy(t, m.inject(options), first)
				p := b.create(t)
				p.waitStarts("app", 2)
				p.goesOn(m.proxy)
				require.Equal(t, 2, starts(p.events("app")))
			})
			t.Run(m.name+"-"+order+"-whole-pod", func(t *testing.T) {
				t.Parallel()
				b := meshPod(t, m.name+"-"+order+"-whole-pod", "-after=peer").container("peer").rules(rulesWith("RestartAllContainers", ""))
				b.Annotations[api.ExcludeContainersAnnotation] = m.proxy + "," + mesh.IstioInit + "," + mesh.LinkerdInit
				p := b.injectedBy(t, m.inject(options), first).create(t)
				p.waitStarts("app", 2)
				p.waitStarts("peer", 2)
				p.goesOn(m.proxy)
				require.Equal(t, 2, starts(p.events("app")))
			})
		}
	}
}

// goesOn waits until the Pod is ready, and wants that no container was started again by the kubelet and that
// the proxy, which has no shim, wasn't started again at all.
func (p *runningPod) goesOn(proxy string) {
	p.t.Helper()
	var pod *corev1.Pod
	eventually(p.t, "the Pod is ready", func() bool { pod = p.get(); return isReady(pod) })
	for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		require.Zero(p.t, s.RestartCount, s.Name)
	}
	require.NotNil(p.t, status(pod, proxy).State.Running)
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		switch c.Name {
		case proxy:
			require.Empty(p.t, c.Command)
		case api.WatcherContainer:
			require.NotNil(p.t, c.ReadinessProbe.Exec)
		}
	}
}
