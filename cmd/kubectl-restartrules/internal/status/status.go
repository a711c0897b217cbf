// Package status says what has become of Pods, from what the API server has of them.
package status

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/report"
)

// Pod is one Pod with restarts in place.
type Pod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Phase is the Pod's, or that of the restart of all its containers that is under way; followed by ",Paused", or if that
	// has not been reported ",Pausing", or ",Resuming".
	Phase string `json:"phase"`
	// Reported says that the Pod's watcher was ever heard of. If it was not, nothing is known of restarts in place.
	Reported   bool        `json:"reported"`
	Containers []Container `json:"containers"`
	// Status is what was reported.
	Status *report.Status `json:"status,omitempty"`
}

// Container is one container of it that restarts in place.
type Container struct {
	Name string `json:"name"`
	// Restarts are the kubelet's.
	Restarts int32 `json:"restarts"`
	// InPlace are the restarts in place; nil: nothing is known of them, because the Pod was never heard of.
	InPlace *int `json:"inPlace,omitempty"`
	// Last is the last restart that this container caused.
	Last *report.Restart `json:"last,omitempty"`
	// Next is its next restart, which waits for its back-off.
	Next *report.Next `json:"next,omitempty"`
}

// Of is the status of an injected Pod. The error says what about the Pod is not as we write it.
func Of(pod *corev1.Pod) (Pod, error) {
	p := Pod{Namespace: pod.Namespace, Name: pod.Name, Phase: string(pod.Status.Phase)}
	compiled, err := plan.Decode(pod.Annotations[api.PlanAnnotation])
	if err != nil {
		return p, fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	if text := pod.Annotations[api.StatusAnnotation]; text != "" {
		p.Status = new(report.Status)
		if err := json.Unmarshal([]byte(text), p.Status); err != nil {
			return p, fmt.Errorf("pod %s/%s: annotation %s: %w", pod.Namespace, pod.Name, api.StatusAnnotation, err)
		}
		p.Reported = true
		if p.Status.Phase != "Running" && pod.Status.Phase == corev1.PodRunning {
			p.Phase = p.Status.Phase
		}
	}
	if pod.Status.Phase == corev1.PodRunning || pod.Status.Phase == corev1.PodPending {
		p.Phase = pausing(p.Phase, pod.Annotations[api.PausedAnnotation], p.Status)
	}
	for i := range compiled.Containers {
		if c := &compiled.Containers[i]; c.Wrapped && c.TwinOf == "" || c.Twin != "" || c.InitScript != "" {
			p.Containers = append(p.Containers, p.container(pod, c.Name))
		}
	}
	return p, nil
}

// pausing adds to the phase of a Pod whether no rule acts: Paused once its shims know, as far as it was reported.
func pausing(phase, annotation string, s *report.Status) string {
	wanted, reached := annotation != "" && annotation != "false", s != nil && s.Paused != ""
	switch {
	case wanted && reached:
		return phase + ",Paused"
	case wanted:
		return phase + ",Pausing"
	case reached:
		return phase + ",Resuming"
	}
	return phase
}

func (p *Pod) container(pod *corev1.Pod, name string) Container {
	c := Container{Name: name}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.Name == name {
			c.Restarts = s.RestartCount
		}
	}
	if !p.Reported {
		return c
	}
	c.InPlace = new(p.Status.Restarts[name])
	for i := range p.Status.Recent {
		if r := &p.Status.Recent[i]; r.Container == name {
			c.Last = r
		}
	}
	if last := p.Status.Last; c.Last == nil && last != nil && last.Container == name {
		c.Last = last
	}
	if next := p.Status.Next; next != nil && next.Container == name {
		c.Next = next
	}
	return c
}
