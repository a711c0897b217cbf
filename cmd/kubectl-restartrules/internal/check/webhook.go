package check

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// webhook finds that nobody answers behind the webhook's Service, and why.
func (c *Cluster) webhook(r *Result) {
	if !c.EndpointsKnown || c.ready() > 0 || c.Mutating != nil && slices.ContainsFunc(mutatingHooks(c.Mutating), func(h hook) bool { return h.client.Service == nil }) {
		return
	}
	object := "Deployment/" + c.System() + "/" + WebhookName
	if c.Deployment == nil && len(c.WebhookPods) == 0 {
		r.add(down(object, "The webhook's Service has no endpoint that is ready, and there is no Deployment or Pod of the webhook",
			"kubectl apply --server-side -k manifests/overlays/self-managed    # what you installed from"))
		return
	}
	if d := c.Deployment; d != nil && d.Spec.Replicas != nil && *d.Spec.Replicas == 0 {
		r.add(down(object, "The Deployment is scaled to 0 replicas",
			fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=2", c.System(), WebhookName)))
		return
	}
	what, fix := "None of the webhook's Pods is ready", fmt.Sprintf("kubectl -n %s describe pods -l app.kubernetes.io/component=webhook", c.System())
	for i := range c.WebhookPods {
		if reason, logs := whyNotReady(&c.WebhookPods[i]); reason != "" {
			what += ": Pod " + c.WebhookPods[i].Name + " " + reason
			if logs {
				fix = fmt.Sprintf("kubectl -n %s logs %s --previous --tail=5", c.System(), c.WebhookPods[i].Name)
			}
			break
		}
	}
	if len(c.WebhookPods) == 0 {
		what = "The Deployment has no Pods"
		fix = fmt.Sprintf("kubectl -n %s get events --field-selector=reason=FailedCreate", c.System())
	}
	r.add(down(object, what, fix))
}

func down(object, what, fix string) Finding {
	return Finding{WebhookDown, Error, object, what,
		"Pods and workloads with restart rules can't be created until it answers (failurePolicy Fail); Pods that run, and Pods without rules, go on", fix}
}

// ready counts the endpoints that are ready.
func (c *Cluster) ready() (n int) {
	for i := range c.Endpoints {
		for _, e := range c.Endpoints[i].Endpoints {
			if isReady(&e) {
				n++
			}
		}
	}
	return n
}

func isReady(e *discoveryv1.Endpoint) bool { return e.Conditions.Ready == nil || *e.Conditions.Ready }

// whyNotReady says what keeps a Pod from being ready; logs says that its log tells more.
func whyNotReady(pod *corev1.Pod) (reason string, logs bool) {
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		switch w := s.State.Waiting; {
		case w == nil:
		case pullReasons[w.Reason]:
			return fmt.Sprintf("can't pull image %s (%s)%s", s.Image, w.Reason, said(w.Message)), false
		case w.Reason == "CrashLoopBackOff":
			text := fmt.Sprintf("crashes again and again (%s, %s)", w.Reason, counted(int(s.RestartCount), "restart"))
			if last := s.LastTerminationState.Terminated; last != nil {
				text += fmt.Sprintf(", last with exit code %d%s", last.ExitCode, said(last.Message))
			}
			return text, true
		case w.Reason != "" && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating":
			return w.Reason + said(w.Message), false
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return "is not scheduled" + said(condition.Message), false
		}
	}
	if pod.Status.Phase == corev1.PodRunning {
		return "runs, and its readinessProbe fails: it has no certificate yet, or does not know yet what the cluster has itself", false
	}
	return "is " + string(pod.Status.Phase), false
}

// pullReasons are what the kubelet says of an image that it can't have (upstream: pkg/kubelet/images/types.go).
var pullReasons = map[string]bool{
	"ErrImagePull": true, "ImagePullBackOff": true, "ErrImageNeverPull": true, "InvalidImageName": true,
	"ImageInspectError": true, "RegistryUnavailable": true, "SignatureValidationFailed": true,
}

// said is a message behind what it is about, on one line and not too long.
func said(message string) string {
	const most = 200
	message = strings.Join(strings.Fields(message), " ")
	if message == "" {
		return ""
	}
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + "…"
	}
	return ": " + message
}
