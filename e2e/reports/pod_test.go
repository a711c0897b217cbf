//go:build e2e

package reports

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/e2e/record"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// The containers of every Pod here, the first of them the init container's.
const setup, app, worker = "setup", "app", "worker"

// Exit codes of app: what rules make of them.
const (
	restartCode    = 42 // Restart, by the first rule
	restartAllCode = 88 // RestartAllContainers, by the second
)

// Rules of Pods, in the form of the annotation.
const (
	restarts     = `{"containers": {"app": {"backoff": "none", "restartPolicy": "Never", "restartPolicyRules": [` + restart + `]}}}`
	restartsAll  = `{"restartAllContainers": {"backoff": "none", "killTimeoutSeconds": 1}, "containers": {"app": ` + both + `}}`
	restartsLate = `{"restartAllContainers": {"backoff": {"initialDelay": "3s", "maxDelay": "3s"}}, "containers": {"app": ` + both + `}}`

	both       = `{"backoff": "none", "restartPolicy": "Never", "restartPolicyRules": [` + restart + `, ` + restartAll + `]}`
	restart    = `{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}`
	restartAll = `{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [88]}}`
)

// pod is a Pod whose container app exits when and as it is told.
type pod struct {
	*testing.T
	*cluster
	*sights
	namespace, name, uid, dir string
	starts                    int // of app
}

// newPod makes a Pod with these rules, and returns when it runs. change, if it is not nil, changes it before.
func newPod(t *testing.T, rules string, change func(*corev1.Pod)) *pod {
	t.Helper()
	return theCluster(t).newPod(t, rules, change)
}

func (c *cluster) newPod(t *testing.T, rules string, change func(*corev1.Pod)) *pod {
	t.Helper()
	p := &pod{T: t, cluster: c, name: "pod", starts: 1}
	p.namespace, p.dir = p.NewNamespace(t, testcluster.OptedIn)
	p.sights = follow(t, p.API, p.namespace)
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: p.name, Annotations: map[string]string{api.RulesAnnotation: rules}},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: ptr.To[int64](1),
			InitContainers:                []corev1.Container{container(setup, "-run=1ms")},
			Containers:                    []corev1.Container{container(app, "-obey"), container(worker)},
			Volumes: []corev1.Volume{{Name: "records", VolumeSource: corev1.VolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: p.dir, Type: ptr.To(corev1.HostPathDirectory)}}}},
		},
	}
	// The cluster has no DNS.
	object.Spec.HostAliases = []corev1.HostAlias{{IP: p.service.ip(), Hostnames: []string{deployment + "." + system + ".svc"}}}
	if change != nil {
		change(object)
	}
	made, err := p.API.CoreV1().Pods(p.namespace).Create(t.Context(), object, metav1.CreateOptions{})
	require.NoError(t, err)
	p.uid = string(made.UID)
	p.events(app, "start", 1)
	p.events(worker, "start", 1)
	p.await("that it runs", func(s *sight) bool { return s.pod != nil && s.pod.Status.Phase == corev1.PodRunning })
	p.nextPod = 0 // the condition may be there already
	return p
}

func container(name string, args ...string) corev1.Container {
	return corev1.Container{
		Name: name, Image: appImage, ImagePullPolicy: corev1.PullIfNotPresent,
		Command:      append([]string{"/app", "-record=/records/" + name}, args...),
		VolumeMounts: []corev1.VolumeMount{{Name: "records", MountPath: "/records"}},
	}
}

// exit has app exit, and returns when it runs again, and when it had exited: CLOCK_MONOTONIC in nanoseconds.
func (p *pod) exit(code int) (at int64) {
	p.Helper()
	p.tell(code)
	p.starts++
	p.events(app, "start", p.starts)
	return p.events(app, "end", p.starts-1)
}

// tell has app exit.
func (p *pod) tell(code int) {
	p.Helper()
	file := record.ExitFile(filepath.Join(p.dir, app), p.starts)
	require.NoError(p, os.WriteFile(file+".draft", fmt.Appendln(nil, code), 0o644))
	require.NoError(p, os.Rename(file+".draft", file))
}

// events waits until a record has n events of a kind, and returns when the last was.
func (p *pod) events(container, kind string, n int) (at int64) {
	p.Helper()
	require.NoError(p, testcluster.Eventually(p.Context(), func() (bool, error) {
		events, err := record.Read(filepath.Join(p.dir, container))
		found := 0
		for _, e := range events {
			if e.Event == kind {
				found, at = found+1, e.At
			}
		}
		return found >= n, err
	}), "%d × %s of %s", n, kind, container)
	return at
}

// status waits until the annotation says what fits.
func (p *pod) status(what string, fits func(*report.Status) bool) *report.Status {
	p.Helper()
	var status *report.Status
	p.await(what, func(s *sight) bool {
		status = s.status(p.T)
		return status != nil && fits(status)
	})
	return status
}

// status is what the annotation says, or nil.
func (s *sight) status(t *testing.T) *report.Status {
	t.Helper()
	if s.pod == nil || s.pod.Annotations[api.StatusAnnotation] == "" {
		return nil
	}
	status := new(report.Status)
	require.NoError(t, json.Unmarshal([]byte(s.pod.Annotations[api.StatusAnnotation]), status))
	return status
}

// condition is the Pod's AllContainersRestarting, or nil.
func (s *sight) condition() *corev1.PodCondition {
	return s.conditionOf(corev1.AllContainersRestarting)
}

func (s *sight) conditionOf(kind corev1.PodConditionType) *corev1.PodCondition {
	if s.pod == nil {
		return nil
	}
	for i := range s.pod.Status.Conditions {
		if c := &s.pod.Status.Conditions[i]; c.Type == kind {
			return c
		}
	}
	return nil
}

// isCondition fits a Pod whose condition has that status and reason.
func isCondition(status corev1.ConditionStatus, reason string) func(*sight) bool {
	return isConditionOf(corev1.AllContainersRestarting, status, reason)
}

func isConditionOf(kind corev1.PodConditionType, status corev1.ConditionStatus, reason string) func(*sight) bool {
	return func(s *sight) bool {
		c := s.conditionOf(kind)
		return c != nil && c.Status == status && c.Reason == reason
	}
}

// isEvent fits an Event of that reason that is of the Pod, counted so often at least.
func (p *pod) isEvent(reason string, count int32) func(*sight) bool {
	return func(s *sight) bool {
		return s.event != nil && s.event.Reason == reason && string(s.event.InvolvedObject.UID) == p.uid && s.event.Count >= count
	}
}

// contextForCleanup is for what a test does also when it is over, and its own context with it.
func (p *pod) contextForCleanup() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	p.Cleanup(cancel)
	return ctx
}
