package write

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"restartrules.dev/pkg/report"
)

// Reasons of Events. Those of whole Pods are the condition's; FailedKillPod is the kubelet's (upstream:
// pkg/kubelet/events/event.go).
const (
	eventRestarted     = "RestartedInPlace"
	eventRestartAll    = reasonStarted
	eventTerminate     = "TerminatePodStarted"
	eventFailed        = "RestartAllContainersFailed"
	eventFailedKillPod = "FailedKillPod"
)

// event is an Event to be written.
type event struct {
	id                    int
	kind, reason, message string
}

// events are those of a report with an ID above after, the oldest first. Messages hold nothing that differs
// from one restart to the next, so that the recorder counts Events instead of adding more.
func events(r *report.Report, after int) (list []event) {
	for i := range r.Status.Recent {
		entry := &r.Status.Recent[i]
		if entry.ID <= after {
			continue
		}
		e := event{id: entry.ID, kind: corev1.EventTypeNormal}
		switch entry.Action {
		case report.ActionRestart:
			e.reason, e.message = eventRestarted, "restarted in place: "+cause(entry)
		case report.ActionRestartAll:
			e.reason, e.message = eventRestartAll, "restarting all containers in place: "+cause(entry)
		case report.ActionTerminate:
			e.reason, e.message = eventTerminate, "ending all containers: "+cause(entry)
		}
		list = append(list, e)
	}
	f := r.Status.Failed
	if f == nil || f.ID <= after {
		return list
	}
	e := event{id: f.ID, kind: corev1.EventTypeWarning, reason: eventFailed, message: f.Message}
	if s := r.Status.Stuck; s != nil {
		e.reason = eventFailedKillPod
		e.message = fmt.Sprintf("process %d (%s) of container %s outlives SIGKILL: nothing is started beside it, the Pod fails", s.PID, s.Name, s.Container)
	}
	return append(list, e)
}

// reference is the Pod that Events are about.
func reference(pod report.Pod) *corev1.ObjectReference {
	return &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: types.UID(pod.UID)}
}
