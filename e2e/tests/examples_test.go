//go:build e2e

package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

// examples are the files of the directory, and what their comments promise. said is what kubectl apply
// wrote to stderr.
var examples = map[string]func(t *testing.T, namespace, said string){
	"retriable-exit-code.yaml": func(t *testing.T, namespace, said string) {
		const name = "retriable-exit-code"
		before := waitPod(t, namespace, name, "runs", func(pod *corev1.Pod) bool { return status(pod, "trainer").State.Running != nil })
		after := waitPod(t, namespace, name, "succeeds", phaseIs(corev1.PodSucceeded))
		logs := logsOf(t, namespace, name, "trainer")
		require.Contains(t, logs, "exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=2 wait=0s\n")
		require.Contains(t, logs, "exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=3 wait=10s\n")
		for _, attempt := range []string{"1", "2", "3"} {
			require.Contains(t, logs, `"attempt":`+attempt)
		}
		require.Equal(t, before.UID, after.UID)
		require.Equal(t, before.Status.PodIP, after.Status.PodIP)
		sameContainer(t, before, after, "trainer")
	},
	"init-one-try.yaml": func(t *testing.T, namespace, said string) {
		var before *corev1.Pod
		waitPod(t, namespace, "init-one-try", "restarted", func(pod *corev1.Pod) bool {
			if before == nil && status(pod, "server").State.Running != nil {
				before = pod
			}
			return before != nil && strings.Count(logsOf(t, namespace, pod.Name, "server"), "serving\n") >= 3
		})
		after := getPod(t, namespace, "init-one-try")
		sameContainer(t, before, after, "server")
		require.Zero(t, status(after, "migration").State.Terminated.ExitCode)

		failed := waitPod(t, namespace, "init-one-try-fails", "fails", phaseIs(corev1.PodFailed))
		require.EqualValues(t, 7, status(failed, "migration").State.Terminated.ExitCode)
		require.Zero(t, status(failed, "migration").RestartCount)
		require.Empty(t, status(failed, "server").ContainerID, "it never started")
	},
	"two-policies.yaml": func(t *testing.T, namespace, said string) {
		require.Contains(t, said, "Warning: the Pod's restartPolicy becomes OnFailure instead of Always")
		before := waitPod(t, namespace, "two-policies", "runs", func(pod *corev1.Pod) bool { return status(pod, "shipper").State.Running != nil })
		waitPod(t, namespace, "two-policies", "the worker succeeds", func(pod *corev1.Pod) bool {
			end := status(pod, "worker").State.Terminated
			return end != nil && end.ExitCode == 0
		})
		eventually(t, "the shipper ships on", func() bool {
			return strings.Count(logsOf(t, namespace, "two-policies", "shipper"), "shipped a batch\n") >= 3
		})
		after := getPod(t, namespace, "two-policies")
		require.Equal(t, corev1.PodRunning, after.Status.Phase)
		require.EqualValues(t, 1, status(after, "worker").RestartCount)
		require.NotNil(t, status(after, "worker").State.Terminated, "it stays completed")
		sameContainer(t, before, after, "shipper")
	},
	"training-job.yaml": func(t *testing.T, namespace, said string) {
		job, _ := waitJob(t, namespace, "training-job", batchv1.JobComplete)
		require.Zero(t, job.Status.Failed)
		pod := onlyPod(t, namespace, "training-job")
		require.Zero(t, status(pod, "trainer").RestartCount)
		require.Equal(t, 3, strings.Count(logsOf(t, namespace, pod.Name, "trainer"), " of 3\n"))

		_, reason := waitJob(t, namespace, "training-job-fatal", batchv1.JobFailed)
		require.Equal(t, batchv1.JobReasonPodFailurePolicy, reason)
		pod = onlyPod(t, namespace, "training-job-fatal")
		require.EqualValues(t, 3, status(pod, "trainer").State.Terminated.ExitCode)
		require.Zero(t, status(pod, "trainer").RestartCount)
		require.Contains(t, logsOf(t, namespace, pod.Name, "trainer"), "exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=2")
	},
	"restart-all.yaml": func(t *testing.T, namespace, said string) {
		job, _ := waitJob(t, namespace, "restart-all", batchv1.JobComplete)
		require.Zero(t, job.Status.Failed)
		pod := onlyPod(t, namespace, "restart-all")
		require.Equal(t, corev1.PodSucceeded, pod.Status.Phase)
		require.Zero(t, status(pod, "setup").RestartCount)
		require.Zero(t, status(pod, "trainer").RestartCount)
		var tries []string
		for line := range strings.Lines(logsOf(t, namespace, pod.Name, "trainer")) {
			if strings.HasPrefix(line, "try ") {
				tries = append(tries, strings.TrimSpace(line))
			}
		}
		release, err := os.ReadFile(filepath.Join(root, "e2e", "images", "alpine-release"))
		require.NoError(t, err)
		prepared := ": prepared by Alpine " + strings.TrimSpace(string(release))
		require.Equal(t, []string{"try 1" + prepared, "try 2" + prepared, "try 3" + prepared}, tries)
	},
}

func TestExamples(t *testing.T) {
	files, err := os.ReadDir(filepath.Join(root, "examples"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	seen := map[string]bool{}
	for _, file := range files {
		if filepath.Ext(file.Name()) != ".yaml" {
			continue // a README, say
		}
		check := examples[file.Name()]
		require.NotNil(t, check, "examples/%s has no test", file.Name())
		seen[file.Name()] = true
		t.Run(file.Name(), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, "examples", file.Name()))
			require.NoError(t, err)
			if !strings.Contains(string(text), api.RulesAnnotation) {
				needsFields(t)
			}
			t.Parallel()
			namespace := newNamespace(t, optedIn)
			_, said, err := kubectl(t, "", "apply", "-n", namespace, "-f", filepath.Join(root, "examples", file.Name()))
			require.NoError(t, err, said)
			check(t, namespace, said)
		})
	}
	require.Len(t, seen, len(examples), "a tested example is not there")
}

func phaseIs(phase corev1.PodPhase) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool { return pod.Status.Phase == phase }
}

// sameContainer checks that a container was not replaced by another.
func sameContainer(t *testing.T, before, after *corev1.Pod, container string) {
	t.Helper()
	require.NotEmpty(t, status(before, container).ContainerID)
	require.Equal(t, status(before, container).ContainerID, status(after, container).ContainerID)
	require.Zero(t, status(after, container).RestartCount)
}
