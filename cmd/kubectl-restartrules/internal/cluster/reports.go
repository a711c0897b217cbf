package cluster

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// reports reads, of namespaces with Pods that are never heard of, what may tell why: it is left out in silence where
// that may not be read, since what is wrong is known without.
func (r *Reader) reports(ctx context.Context) error {
	r.c.Logs, r.c.NetworkPolicies = map[string]string{}, map[string][]string{}
	for i := range r.c.Pods {
		pod := &r.c.Pods[i]
		if !check.Silent(pod, r.c.Now) {
			continue
		}
		if _, known := r.c.NetworkPolicies[pod.Namespace]; known {
			continue
		}
		r.c.NetworkPolicies[pod.Namespace] = []string{}
		policies, err := r.client.NetworkingV1().NetworkPolicies(pod.Namespace).List(ctx, metav1.ListOptions{})
		if err == nil {
			for _, p := range policies.Items {
				if slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
					r.c.NetworkPolicies[pod.Namespace] = append(r.c.NetworkPolicies[pod.Namespace], p.Name)
				}
			}
		}
		log, err := r.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
			Container: api.WatcherContainer, TailLines: new(int64(20))}).DoRaw(ctx)
		if err == nil {
			r.c.Logs[pod.Namespace+"/"+pod.Name] = lastProblem(string(log))
		}
	}
	return nil
}

// lastProblem is the last warning or error about reports in a watcher's log, which is JSON.
func lastProblem(log string) (last string) {
	for line := range strings.Lines(log) {
		var entry struct{ Level, Msg, Error string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Level != "INFO" && strings.Contains(line, report.Path) {
			last = entry.Msg + ": " + entry.Error
		}
	}
	return last
}
