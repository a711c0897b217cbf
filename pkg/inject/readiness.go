package inject

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"restartrules.dev/pkg/api"
)

// proxies are the containers of service meshes. What comes from outside of a Pod they let pass only as
// their mesh's policy says, and with mutual TLS required that is no probe of the kubelet's over HTTP.
var proxies = []string{"istio-proxy", "linkerd-proxy"}

// readyCommand is what the watcher's readinessProbe runs where it can't be asked over HTTP.
var readyCommand = []string{"/watcher", "ready"}

// readinessProbe has the Pod unready while a container of it is down, or waits to start again.
func (inj *injection) readinessProbe() *corev1.Probe {
	port := inj.readinessPort()
	if port == 0 {
		return nil
	}
	if inj.meshed() {
		// Less often, for each time a process is started.
		return &corev1.Probe{
			ProbeHandler:     corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: readyCommand}},
			PeriodSeconds:    5,
			FailureThreshold: 1,
		}
	}
	return &corev1.Probe{
		ProbeHandler:     corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: api.ReadyPath, Port: intstr.FromInt32(port)}},
		PeriodSeconds:    2,
		FailureThreshold: 1,
	}
}

// meshed reports whether the Pod has a proxy of a service mesh.
func (inj *injection) meshed() bool {
	return slices.ContainsFunc(inj.parts, func(p part) bool { return slices.Contains(proxies, p.user.Name) })
}

// probeRewritten reports whether the live watcher has another readinessProbe than we would ever give it.
func (inj *injection) probeRewritten() bool {
	live := find(inj.live.Spec.InitContainers, api.WatcherContainer)
	if live == nil || live.ReadinessProbe == nil {
		return false
	}
	var probe corev1.Probe
	if json.Unmarshal(live.ReadinessProbe, &probe) != nil {
		return false
	}
	byUs := probe.HTTPGet != nil && probe.HTTPGet.Path == api.ReadyPath || probe.Exec != nil && slices.Equal(probe.Exec.Command, readyCommand)
	return !byUs
}
