package inject

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"restartrules.dev/pkg/manifest"
)

// The watcher's share. In a Guaranteed Pod requests are limits, so they leave room there.
var (
	requests = corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("10m"),
		corev1.ResourceMemory: resource.MustParse("16Mi"),
	}
	guaranteed = corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("100m"),
		corev1.ResourceMemory: resource.MustParse("32Mi"),
	}
)

// watcherResources leave the Pod's QoS class what it is without the watcher, and the watcher
// without requests for nothing that others request: a HorizontalPodAutoscaler needs the requests of
// all containers. With Pod-level resources containers need none of their own.
//
// What is configured stands in place of these amounts.
func watcherResources(spec *manifest.PodSpec, configured *corev1.ResourceRequirements) corev1.ResourceRequirements {
	if spec.Resources != nil && len(spec.Resources.Requests)+len(spec.Resources.Limits) > 0 {
		return corev1.ResourceRequirements{}
	}
	wholly := isGuaranteed(spec)
	if !wholly && !anyUses(spec, corev1.ResourceCPU) && !anyUses(spec, corev1.ResourceMemory) {
		return corev1.ResourceRequirements{}
	}
	r := corev1.ResourceRequirements{Requests: maps.Clone(configured.Requests), Limits: maps.Clone(configured.Limits)}
	for name := range requests {
		request, requested := configured.Requests[name]
		limit, limited := configured.Limits[name]
		switch {
		case wholly && limited:
			add(&r.Requests, name, limit)
		case wholly:
			least := guaranteed[name]
			if least.Cmp(request) < 0 {
				least = request
			}
			add(&r.Requests, name, least)
			add(&r.Limits, name, least)
		case requested:
		case limited: // without a request of its own the API server makes the limit one
			add(&r.Requests, name, lesser(requests[name], limit))
		case anyUses(spec, name):
			add(&r.Requests, name, requests[name])
		}
	}
	return r
}

func lesser(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func add(list *corev1.ResourceList, name corev1.ResourceName, quantity resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = quantity
}

// twinCPU is what a twin has at most in a Guaranteed Pod, where it is set aside for good.
var twinCPU = resource.MustParse("500m")

// twinResources are those of an init container's twin. It has the init container's limits, for it does
// the same work, and leaves the Pod's QoS class what it is; but it requests little, because it is idle
// nearly always. In a Guaranteed Pod requests are limits: it has the init container's memory, and as
// much of its CPU as is bearable. What is counted in pieces is never requested a second time.
func twinResources(spec *manifest.PodSpec, init *corev1.ResourceRequirements) corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{Claims: init.Claims}
	if spec.Resources != nil && len(spec.Resources.Requests)+len(spec.Resources.Limits) > 0 {
		return r
	}
	wholly := isGuaranteed(spec)
	for name, little := range requests {
		limit, limited := init.Limits[name]
		limited = limited && limit.Sign() > 0
		request := little
		if wholly {
			request = limit
			if name == corev1.ResourceCPU && limit.Cmp(twinCPU) > 0 {
				request, limit = twinCPU, twinCPU
			}
		}
		if limited && request.Cmp(limit) > 0 {
			request = limit
		}
		if limited {
			add(&r.Limits, name, limit)
		}
		if wholly || anyUses(spec, name) {
			add(&r.Requests, name, request)
		}
	}
	return r
}

// isGuaranteed reports whether the Pod's QoS class is Guaranteed
// (upstream: pkg/apis/core/v1/helper/qos/qos.go, ComputePodQOS).
func isGuaranteed(spec *manifest.PodSpec) bool {
	for _, list := range [][]manifest.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			r := &list[i].Resources
			for name := range guaranteed {
				limit := r.Limits[name]
				request, ok := r.Requests[name]
				if limit.Sign() <= 0 || ok && request.Cmp(limit) != 0 {
					return false
				}
			}
		}
	}
	return true
}

// anyUses reports whether any container requests or limits the resource. Zero counts as nothing,
// as upstream.
func anyUses(spec *manifest.PodSpec, name corev1.ResourceName) bool {
	for _, list := range [][]manifest.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			request, limit := list[i].Resources.Requests[name], list[i].Resources.Limits[name]
			if request.Sign() > 0 || limit.Sign() > 0 {
				return true
			}
		}
	}
	return false
}

// covers reports whether everything wanted is there; a LimitRange may have added more.
func covers(live, want corev1.ResourceRequirements) bool {
	for _, claim := range want.Claims {
		if !slices.Contains(live.Claims, claim) {
			return false
		}
	}
	return coversList(live.Requests, want.Requests) && coversList(live.Limits, want.Limits)
}

func coversList(live, want corev1.ResourceList) bool {
	for name, quantity := range want {
		if q, ok := live[name]; !ok || q.Cmp(quantity) != 0 {
			return false
		}
	}
	return true
}
