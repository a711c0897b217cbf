package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
)

const (
	trainerPlan = `{"version":1,"restartPolicy":{"own":"Never","compiled":"Never"},"containers":[
		{"name":"trainer","kind":"container","wrapped":true,"why":"","onExit":"0-41:end,42:restart/0,43-255:end",
		 "declared":{"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]}}]}`
	workerPlan = `{"version":1,"restartPolicy":{"own":"Always","compiled":"OnFailure"},"containers":[
		{"name":"worker","kind":"container","wrapped":false,"why":"","declared":{"restartPolicy":"OnFailure"}}]}`
)

// podWith is a Pod as the API server shows it.
func podWith(name, plan string, phase corev1.PodPhase, statuses ...corev1.ContainerStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-1", Annotations: map[string]string{api.PlanAnnotation: plan}},
		Status:     corev1.PodStatus{Phase: phase, PodIP: "10.0.0.7", ContainerStatuses: statuses},
	}
}

func running(name, id string, restartCount int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, ContainerID: id, RestartCount: restartCount,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
}

func ended(name, id string, restartCount, code int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, ContainerID: id, RestartCount: restartCount,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: id, ExitCode: code}}}
}

// told is how the timeline has an event, without its Pod.
func told(events []event) (lines []string) {
	for _, e := range events {
		exit := "-"
		if e.exit != nil {
			exit = fmt.Sprint(*e.exit)
		}
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%s", e.container, exit, e.rule, e.done))
	}
	return lines
}

func see(t *testing.T, s *story, pod *corev1.Pod) []string {
	t.Helper()
	events, err := s.seePod(pod)
	require.NoError(t, err)
	return told(events)
}

func seeLogs(t *testing.T, s *story, pod string, lines ...string) (all []string) {
	t.Helper()
	for _, line := range lines {
		events, err := s.seeLog(pod, []byte(line))
		require.NoError(t, err)
		all = append(all, told(events)...)
	}
	return all
}

// trainerLog is what a watcher logs of a container that restarts twice.
var trainerLog = []string{
	`{"time":"2026-01-02T15:04:00Z","level":"INFO","msg":"watching","containers":["trainer"]}`,
	`{"time":"2026-01-02T15:04:01Z","level":"INFO","msg":"started","container":"trainer","attempt":1,"pid":50}`,
	`{"time":"2026-01-02T15:04:03Z","level":"INFO","msg":"exited","container":"trainer","attempt":1,"exitCode":42,"action":"Restart","rule":0,"waitMicros":0}`,
	`{"time":"2026-01-02T15:04:03Z","level":"INFO","msg":"restarted in place","container":"trainer","attempt":2,"pid":55,"micros":712,"lastExitCode":42,"rule":0}`,
	`{"time":"2026-01-02T15:04:05Z","level":"INFO","msg":"exited","container":"trainer","attempt":2,"exitCode":42,"action":"Restart","rule":0,"waitMicros":10000000}`,
	`{"time":"2026-01-02T15:04:15Z","level":"INFO","msg":"restarted in place","container":"trainer","attempt":3,"pid":59,"micros":690,"lastExitCode":42,"rule":0}`,
	`restartrules: container=restartrules-watcher attempt=1 exitCode=2 rule=restartPolicy action=Restart nextAttempt=2 wait=0s`,
	`{"time":"2026-01-02T15:04:17Z","level":"INFO","msg":"ended","container":"trainer","attempt":3,"exitCode":0}`,
}

func TestTheWatchersLogBecomesTheTimeline(t *testing.T) {
	s := newStory()
	require.Empty(t, see(t, s, podWith("p", trainerPlan, corev1.PodPending)))
	require.Empty(t, see(t, s, podWith("p", trainerPlan, corev1.PodRunning, running("trainer", "containerd://a", 0))), "its shim tells")
	require.Equal(t, []string{
		"trainer|-||started: process 50",
		"trainer|42|restartPolicyRules[0]: Restart on In [42]|restarted in place in 0.71 ms: process 55, attempt 2",
		"trainer|42|restartPolicyRules[0]: Restart on In [42]|back-off of 10s",
		"trainer|42|restartPolicyRules[0]: Restart on In [42]|restarted in place in 0.69 ms: process 59, attempt 3",
		"trainer|0|restartPolicy Never|ends for good",
	}, seeLogs(t, s, "p", trainerLog...))
	require.Equal(t, []string{"|-||the Pod is Succeeded"},
		see(t, s, podWith("p", trainerPlan, corev1.PodSucceeded, ended("trainer", "containerd://a", 0, 0))))
	require.Equal(t, []time.Duration{712 * time.Microsecond, 690 * time.Microsecond}, s.pods["p"].containers["trainer"].restarts())
}

func TestALogOfAnUnknownContainerIsAnError(t *testing.T) {
	s := newStory()
	see(t, s, podWith("p", trainerPlan, corev1.PodRunning))
	_, err := s.seeLog("p", []byte(`{"msg":"started","container":"other","attempt":1,"pid":5}`))
	require.ErrorContains(t, err, `container "other"`)
}

func TestTheKubeletsRestartsBecomeTheTimeline(t *testing.T) {
	s := newStory()
	again := running("worker", "containerd://b", 1)
	again.LastTerminationState = ended("worker", "containerd://a", 0, 1).State
	first := podWith("p", workerPlan, corev1.PodRunning, running("worker", "containerd://a", 0))
	require.Equal(t, []string{"worker|-||started"}, see(t, s, first))
	require.Empty(t, see(t, s, first), "nothing new")
	// The Pod between the two containers may never be seen.
	require.Equal(t, []string{
		"worker|1|restartPolicy OnFailure|left to the kubelet, which restarts it",
		"worker|-||started by the kubelet in a new container, restartCount 1",
	}, see(t, s, podWith("p", workerPlan, corev1.PodRunning, again)))
	require.Equal(t, []string{"worker|0|restartPolicy OnFailure|ends for good"},
		see(t, s, podWith("p", workerPlan, corev1.PodRunning, ended("worker", "containerd://b", 1, 0))))
}

func TestJobConditionsAreToldOnce(t *testing.T) {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "j"}}
	s := newStory()
	require.Empty(t, s.seeJob(job))
	failed := job.DeepCopy()
	failed.Status.Conditions = []batchv1.JobCondition{
		{Type: batchv1.JobFailureTarget, Status: corev1.ConditionTrue},
		{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonPodFailurePolicy},
	}
	require.Equal(t, []string{"|-||the Job is Failed, reason PodFailurePolicy"}, told(s.seeJob(failed)))
	require.Empty(t, s.seeJob(failed))
}
