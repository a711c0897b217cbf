package mesh

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Names and ports of Istio.
const (
	IstioProxy = "istio-proxy"
	IstioInit  = "istio-init"
	// agentPort is where the proxy's agent runs the application's probes.
	agentPort = 15020
)

// Istio injects as Istio does (upstream: istio/istio pkg/kube/inject/webhook.go, reorderPod and
// applyRewrite; app_probe.go): probes go to the agent in the proxy; the proxy is the last container, or
// the first if the application waits for it; as a sidecar it is, behind istio-init, the first init
// container. Seeing the Pod again it puts its containers in their places again.
func Istio(o Options) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		spec := &pod.Spec
		if !has(spec.Containers, IstioProxy) && !has(spec.InitContainers, IstioProxy) {
			proxy := o.proxy(IstioProxy)
			proxy.VolumeMounts = []corev1.VolumeMount{{Name: "istio-envoy", MountPath: "/etc/istio/proxy"}}
			spec.InitContainers = append(spec.InitContainers, o.init(IstioInit))
			if o.Native {
				spec.InitContainers = append(spec.InitContainers, proxy)
			} else {
				spec.Containers = append(spec.Containers, proxy)
			}
			addVolume(pod, "istio-envoy")
			annotate(pod, "sidecar.istio.io/status", `{"initContainers":["istio-init"],"containers":["istio-proxy"],"revision":"default"}`)
		}
		rewriteProbes(spec)
		if o.Native {
			spec.InitContainers = moved(spec.InitContainers, IstioProxy, true)
			spec.InitContainers = moved(spec.InitContainers, IstioInit, true)
			return
		}
		spec.Containers = moved(spec.Containers, IstioProxy, o.ProxyFirst)
		spec.InitContainers = moved(spec.InitContainers, IstioInit, false)
	}
}

// rewriteProbes has the agent ask the application in place of the kubelet, whom the proxy doesn't let in.
func rewriteProbes(spec *corev1.PodSpec) {
	proxy := &corev1.Container{}
	for _, list := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		if i := indexOf(list, IstioProxy); i >= 0 {
			proxy = &list[i]
		}
	}
	probers := map[string]corev1.ProbeHandler{}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		if c.Name == IstioProxy {
			continue
		}
		for what, probe := range map[string]*corev1.Probe{"livez": c.LivenessProbe, "readyz": c.ReadinessProbe, "startupz": c.StartupProbe} {
			if probe == nil || probe.HTTPGet == nil && probe.TCPSocket == nil && probe.GRPC == nil ||
				probe.HTTPGet != nil && probe.HTTPGet.Port == intstr.FromInt32(agentPort) {
				continue
			}
			path := "/app-health/" + c.Name + "/" + what
			probers[path] = probe.ProbeHandler
			probe.ProbeHandler = corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(agentPort)}}
		}
	}
	if len(probers) > 0 {
		text, _ := json.Marshal(probers) // of the API's types
		proxy.Env = append(proxy.Env, corev1.EnvVar{Name: "ISTIO_KUBE_APP_PROBERS", Value: string(text)})
	}
}
