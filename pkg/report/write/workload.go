package write

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workload is what a Pod belongs to, as far as metrics tell it apart.
type workload struct{ namespace, kind, name string }

// A Pod's workload is a label value, so two of these kinds can't be names of kinds.
const (
	// noKind is of Pods of which nobody could say, because they were gone first.
	noKind = ""
	// overflowKind is of workloads that are too many to be told apart.
	overflowKind = "overflow"
)

// byLabel are kinds whose Pods are made by others for them, by the label with the name.
var byLabel = []struct{ label, kind string }{
	{"jobset.sigs.k8s.io/jobset-name", "JobSet"},
	{"leaderworkerset.sigs.k8s.io/name", "LeaderWorkerSet"},
}

// scheduled is a Job's name that a CronJob has made (upstream: pkg/controller/cronjob/utils.go, getJobName): the minutes
// since 1970.
var scheduled = regexp.MustCompile(`^(.+)-\d{8}$`)

// workloadOf is the workload of a Pod. Whoever may create Pods can have it say anything.
func workloadOf(pod *corev1.Pod) workload {
	for _, known := range byLabel {
		if name := pod.Labels[known.label]; name != "" {
			return workload{pod.Namespace, known.kind, name}
		}
	}
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return workload{pod.Namespace, "Pod", ""}
	}
	w := workload{pod.Namespace, owner.Kind, owner.Name}
	switch hash := pod.Labels["pod-template-hash"]; {
	case w.kind == "ReplicaSet" && hash != "":
		if name, ok := strings.CutSuffix(w.name, "-"+hash); ok {
			w.kind, w.name = "Deployment", name
		}
	case w.kind == "Job":
		if found := scheduled.FindStringSubmatch(w.name); found != nil {
			w.kind, w.name = "CronJob", found[1]
		}
	}
	return w
}
