// Package live reaches the Pods of a cluster: what they are, what they log, and what can be run in them.
package live

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
)

// Client is a cluster, and a namespace in it.
type Client struct {
	Kubernetes kubernetes.Interface
	Namespace  string
	// Exec runs a command in a container, as kubectl exec does.
	Exec func(ctx context.Context, pod *corev1.Pod, container string, command ...string) (Output, error)
	// Logs opens a container's log.
	Logs Logs
}

// Connect finds the cluster as kubectl does.
func Connect(flags *genericclioptions.ConfigFlags) (*Client, error) {
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("find the namespace: %w", err)
	}
	return &Client{Kubernetes: client, Namespace: namespace, Exec: (&executor{config, client.CoreV1().RESTClient()}).exec, Logs: logsOf(client)}, nil
}

// Refusal says that what was asked for can't be done to this Pod, and what to do instead.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

func refuse(pod *corev1.Pod, format string, args ...any) error {
	return &Refusal{"pod " + pod.Namespace + "/" + pod.Name + " " + fmt.Sprintf(format, args...)}
}

// Pod is a Pod that restarts in place.
type Pod struct {
	*corev1.Pod
	Plan *plan.Plan
}

// Pod gets the Pod of that name, which may begin with pod/. It is refused if nothing in it restarts in place.
func (c *Client) Pod(ctx context.Context, name string) (*Pod, error) {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "pods/"), "pod/")
	pod, err := c.Kubernetes.CoreV1().Pods(c.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	text := pod.Annotations[api.PlanAnnotation]
	switch {
	case text == "" && hasNativeRules(pod):
		return nil, refuse(pod, "has restart rules of the cluster's own: its kubelet acts on them, and there is nothing of Restart Rules in it")
	case text == "":
		return nil, refuse(pod, "was not injected: there is nothing of Restart Rules in it; `kubectl restartrules check -n %s %s` says why", pod.Namespace, pod.Name)
	}
	p, err := plan.Decode(text)
	var newer *plan.NewerError
	switch {
	case errors.As(err, &newer):
		return nil, refuse(pod, "was injected by a newer release: %v; get its plugin", newer)
	case err != nil:
		return nil, fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
	case len(p.Wrapped()) == 0:
		return nil, refuse(pod, "needs nothing of Restart Rules: the kubelet does all that its rules say")
	}
	return &Pod{pod, p}, nil
}

func hasNativeRules(pod *corev1.Pod) bool {
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.RestartPolicy != nil || len(c.RestartPolicyRules) > 0 {
			return true
		}
	}
	for i := range pod.Spec.InitContainers {
		if len(pod.Spec.InitContainers[i].RestartPolicyRules) > 0 {
			return true
		}
	}
	return false
}

// Refuse is a Refusal that begins with the Pod.
func (p *Pod) Refuse(format string, args ...any) error { return refuse(p.Pod, format, args...) }

// Lives refuses Pods that are over, or on their way.
func (p *Pod) Lives() error {
	switch {
	case p.DeletionTimestamp != nil:
		return p.Refuse("is being deleted")
	case p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed:
		return p.Refuse("has ended (%s): nothing in it runs any more", p.Status.Phase)
	}
	return nil
}

// Restarts are the names of the containers that restart in place, without those that only replay others.
func (p *Pod) Restarts() (names []string) {
	for i := range p.Plan.Containers {
		if c := &p.Plan.Containers[i]; c.Wrapped && c.TwinOf == "" {
			names = append(names, c.Name)
		}
	}
	return names
}

// Container is what the plan says of a container that restarts in place; others are refused.
func (p *Pod) Container(name string) (*plan.Container, error) {
	c := p.Plan.Container(name)
	switch {
	case c == nil && name == api.WatcherContainer:
		return nil, p.Refuse("has container %s to watch the others: the kubelet alone restarts it", name)
	case c == nil && !p.has(name):
		return nil, p.Refuse("has no container %q: those that restart in place are %s", name, strings.Join(p.Restarts(), ", "))
	case c == nil:
		return nil, p.Refuse("has container %s, which came after Restart Rules had seen the Pod: the kubelet alone restarts it", name)
	case c.Excluded:
		return nil, p.Refuse("excludes container %s (annotation %s): the kubelet alone restarts it", name, api.ExcludeContainersAnnotation)
	case !c.Wrapped && c.Twin != "":
		return nil, p.Refuse("has no shim in init container %s: when the whole Pod restarts, container %s runs it again", name, c.Twin)
	case !c.Wrapped:
		return nil, p.Refuse("has no shim in container %s, which the kubelet alone restarts: %s", name, c.Why)
	}
	return c, nil
}

func (p *Pod) has(name string) bool { return p.status(name) != nil || p.spec(name) != nil }

func (p *Pod) spec(name string) *corev1.Container {
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

func (p *Pod) status(name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// KubeletRestarts are the kubelet's restarts of the container.
func (p *Pod) KubeletRestarts(container string) int32 {
	if s := p.status(container); s != nil {
		return s.RestartCount
	}
	return 0
}

// Reports says whether the Pod's watcher reports to the webhook.
func (p *Pod) Reports() bool { return p.hasVolume(api.ReportVolumeName) }

// CanPause says whether the Pod's watcher hears of the annotation that pauses it.
func (p *Pod) CanPause() bool { return p.hasVolume(api.ControlVolumeName) }

func (p *Pod) hasVolume(name string) bool {
	for i := range p.Spec.Volumes {
		if p.Spec.Volumes[i].Name == name {
			return true
		}
	}
	return false
}
