package mesh

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Names of Linkerd.
const (
	LinkerdProxy = "linkerd-proxy"
	LinkerdInit  = "linkerd-init"
)

// Linkerd injects as Linkerd does (upstream: linkerd/linkerd2 charts/patch/templates/patch.json): linkerd-init
// behind the other init containers, the proxy behind that, or among the containers, as the first if the
// application waits for it. A Pod that has a proxy is left alone.
func Linkerd(o Options) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		spec := &pod.Spec
		if has(spec.Containers, LinkerdProxy) || has(spec.InitContainers, LinkerdProxy) {
			return
		}
		proxy := o.proxy(LinkerdProxy)
		proxy.VolumeMounts = []corev1.VolumeMount{{Name: "linkerd-identity-end-entity", MountPath: "/var/run/linkerd/identity/end-entity"}}
		spec.InitContainers = append(spec.InitContainers, o.init(LinkerdInit))
		switch {
		case o.Native:
			spec.InitContainers = append(spec.InitContainers, proxy)
		case o.ProxyFirst:
			spec.Containers = slices.Insert(spec.Containers, 0, proxy)
		default:
			spec.Containers = append(spec.Containers, proxy)
		}
		addVolume(pod, "linkerd-identity-end-entity")
		annotate(pod, "linkerd.io/proxy-version", "edge")
	}
}
