package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
)

// heardWithin is how long after its watcher's start a Pod that tells at once is heard of.
const heardWithin = time.Minute

// injected judges the Pods that were injected: whether their watchers start, and are heard of.
func (c *Cluster) injected(r *Result) {
	pull, start := map[string][]*corev1.Pod{}, map[string][]*corev1.Pod{}
	for i := range c.Pods {
		pod := &c.Pods[i]
		s := watcherStatus(pod)
		if s == nil || pod.DeletionTimestamp != nil {
			continue
		}
		switch w := s.State.Waiting; {
		case w == nil:
		case pullReasons[w.Reason]:
			pull[watcherOf(pod).Image] = append(pull[watcherOf(pod).Image], pod)
		case w.Reason != "" && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating":
			start[w.Reason] = append(start[w.Reason], pod)
		}
	}
	for _, image := range slices.Sorted(maps.Keys(pull)) {
		r.add(c.unpullable(image, pull[image]))
	}
	for _, reason := range slices.Sorted(maps.Keys(start)) {
		r.add(notStarting(reason, start[reason]))
	}
	c.silent(r)
}

func watcherOf(pod *corev1.Pod) *corev1.Container {
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == api.WatcherContainer {
			return &pod.Spec.InitContainers[i]
		}
	}
	return nil
}

func watcherStatus(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.InitContainerStatuses {
		if pod.Status.InitContainerStatuses[i].Name == api.WatcherContainer && watcherOf(pod) != nil {
			return &pod.Status.InitContainerStatuses[i]
		}
	}
	return nil
}

// object names a Pod, of more than one the first.
func object(pods []*corev1.Pod) string { return "Pod/" + pods[0].Namespace + "/" + pods[0].Name }

func andMore(pods []*corev1.Pod) string {
	if len(pods) == 1 {
		return ""
	}
	return fmt.Sprintf(" (and of %d more Pods)", len(pods)-1)
}

func (c *Cluster) unpullable(image string, pods []*corev1.Pod) Finding {
	w := watcherStatus(pods[0]).State.Waiting
	why := "the Pod does not start without its watcher. The image must be reachable for the nodes with the pull secrets of the Pod's own namespace"
	fix := fmt.Sprintf("kubectl -n %s set env deployment/%s WATCHER_IMAGE=REGISTRY/watcher:TAG    # an image that nodes can pull; then create these Pods anew", c.System(), WebhookName)
	if w.Reason == "ErrImageNeverPull" {
		why = "the Pod does not start without its watcher. imagePullPolicy is Never, and the node does not have the image"
	}
	return Finding{ImageUnpullable, Error, object(pods),
		fmt.Sprintf("The image %s of the watcher%s can't be pulled: %s%s", image, andMore(pods), w.Reason, said(w.Message)), why, fix}
}

func notStarting(reason string, pods []*corev1.Pod) Finding {
	s := watcherStatus(pods[0])
	what := fmt.Sprintf("The watcher%s does not start: %s%s", andMore(pods), reason, said(s.State.Waiting.Message))
	if last := s.LastTerminationState.Terminated; last != nil {
		what += fmt.Sprintf("; it ended with exit code %d%s", last.ExitCode, said(last.Message))
	}
	return Finding{WatcherNotStarting, Error, object(pods), what,
		"the Pod's containers wait until the watcher has put the shim into their volume (its postStart hook)",
		fmt.Sprintf("kubectl -n %s logs %s -c %s --tail=20", pods[0].Namespace, pods[0].Name, api.WatcherContainer)}
}

// Tells reports whether an injected Pod reports at once: those whose rules concern the whole Pod do, others when the
// first container restarts.
func Tells(pod *corev1.Pod) bool {
	w := watcherOf(pod)
	if w == nil || !slices.ContainsFunc(w.Env, func(e corev1.EnvVar) bool { return e.Name == api.ReportURLEnv }) {
		return false
	}
	p, err := plan.Decode(pod.Annotations[api.PlanAnnotation])
	return err == nil && p.RestartAll != nil
}

// Silent reports whether a Pod was never heard of though it should have been.
func Silent(pod *corev1.Pod, now time.Time) bool {
	s := watcherStatus(pod)
	return s != nil && pod.DeletionTimestamp == nil && s.State.Running != nil && now.Sub(s.State.Running.StartedAt.Time) > heardWithin &&
		Tells(pod) && pod.Annotations[api.StatusAnnotation] == ""
}

// silent finds namespaces whose Pods are never heard of.
func (c *Cluster) silent(r *Result) {
	silent, heard := map[string][]*corev1.Pod{}, 0
	for i := range c.Pods {
		pod := &c.Pods[i]
		switch {
		case Silent(pod, c.Now):
			silent[pod.Namespace] = append(silent[pod.Namespace], pod)
		case Tells(pod) && pod.Annotations[api.StatusAnnotation] != "":
			heard++
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(silent)) {
		r.add(c.unheard(namespace, silent[namespace], heard))
	}
}

func (c *Cluster) unheard(namespace string, pods []*corev1.Pod, heard int) Finding {
	why := "no Pod of the cluster is heard of: the webhook does not take reports, or nothing reaches it"
	if heard > 0 {
		why = fmt.Sprintf("the webhook hears of %s elsewhere: what keeps these from reaching it is in this namespace", counted(heard, "Pod"))
	}
	if policies := c.NetworkPolicies[namespace]; len(policies) > 0 {
		why += "; these NetworkPolicies restrict egress there: " + some(policies)
	}
	for _, pod := range pods {
		if text := c.Logs[pod.Namespace+"/"+pod.Name]; text != "" {
			why += fmt.Sprintf("; the watcher of Pod %s says%s", pod.Name, said(text))
			break
		}
	}
	return Finding{NoReports, Warning, "Namespace/" + namespace,
		fmt.Sprintf("Reports are on, and nothing was ever received from %s (%s)", counted(len(pods), "injected Pod"), names(pods)),
		why + ". Restarts go on, and nobody sees them", c.allowReports(namespace)}
}

func names(pods []*corev1.Pod) string {
	var list []string
	for _, pod := range pods {
		list = append(list, pod.Name)
	}
	return some(list)
}

// allowReports applies the NetworkPolicy of docs/reports.md.
func (c *Cluster) allowReports(namespace string) string {
	type object = map[string]any
	to := func(namespace string, ports ...object) object {
		return object{"to": []object{{"namespaceSelector": object{"matchLabels": object{namespaceNameLabel: namespace}}}}, "ports": ports}
	}
	text, err := json.Marshal(object{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": object{"name": "restartrules-reports"},
		"spec": object{"podSelector": object{"matchLabels": object{api.ModeLabel: api.ModeEmulated}}, "policyTypes": []string{"Egress"},
			"egress": []object{to(c.System(), object{"port": 9443}),
				to("kube-system", object{"port": 53, "protocol": "UDP"}, object{"port": 53, "protocol": "TCP"})}},
	})
	if err != nil {
		return "" // maps of texts and numbers can be encoded
	}
	return fmt.Sprintf("echo '%s' | kubectl -n %s apply -f -", strings.TrimSpace(string(text)), namespace)
}
