//go:build e2e

package tests

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// job makes a Job of the builder's Pod, and removes it when the test is over.
func (b *builder) job(t *testing.T, change func(*batchv1.JobSpec)) *runningPod {
	t.Helper()
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: b.Name, Namespace: enabled},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Annotations: b.Annotations},
			Spec:       b.Spec,
		}},
	}
	change(&job.Spec)
	remove := func() {
		ctx := contextForCleanup(t)
		err := client.BatchV1().Jobs(enabled).Delete(ctx, b.Name, metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationForeground)})
		if apierrors.IsNotFound(err) {
			return
		}
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := client.BatchV1().Jobs(enabled).Get(ctx, b.Name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		}, patience, lookAgain)
	}
	remove() // of a run that was interrupted
	require.NoError(t, os.RemoveAll(filepath.Join(records, t.Name())))
	_, err := client.BatchV1().Jobs(enabled).Create(t.Context(), job, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(remove)
	return &runningPod{t: t, name: b.Name}
}

// waitJob waits until the Job has the condition.
func waitJob(t *testing.T, namespace, name string, condition batchv1.JobConditionType) (job *batchv1.Job, reason string) {
	t.Helper()
	eventually(t, "Job "+name+" is "+string(condition), func() bool {
		var err error
		job, err = client.BatchV1().Jobs(namespace).Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		for _, c := range job.Status.Conditions {
			if c.Type == condition && c.Status == corev1.ConditionTrue {
				reason = c.Reason
				return true
			}
		}
		return false
	})
	return job, reason
}

// onlyPod is the one Pod that a Job ever had. Those of a finished Job stay.
func onlyPod(t *testing.T, namespace, job string) *corev1.Pod {
	t.Helper()
	list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	return &list.Items[0]
}

func failJobOn(code int32) func(*batchv1.JobSpec) {
	return func(spec *batchv1.JobSpec) {
		spec.BackoffLimit = ptr.To[int32](6)
		spec.PodFailurePolicy = &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
			Action: batchv1.PodFailurePolicyActionFailJob,
			OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
				ContainerName: ptr.To("app"), Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{code},
			},
		}}}
	}
}

func TestAJobsPodRestartsInPlace(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		p := newPod(t, "job-retriable", shared, "-run=300ms", "-exit=42,42,0").rules(restartAtOnce(42)).job(t, failJobOn(3))
		job, _ := waitJob(t, enabled, p.name, batchv1.JobComplete)
		require.EqualValues(t, 1, job.Status.Succeeded)
		require.Zero(t, job.Status.Failed)
		pod := onlyPod(t, enabled, p.name)
		require.Zero(t, status(pod, "app").RestartCount)
		require.Zero(t, status(pod, "app").State.Terminated.ExitCode)
		require.Equal(t, "start end start end start end", verbs(p.events("app")))
	})
}

func TestAJobFailsOnAFatalCode(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		p := newPod(t, "job-fatal", shared, "-run=300ms", "-exit=42,3").rules(restartAtOnce(42)).job(t, failJobOn(3))
		job, reason := waitJob(t, enabled, p.name, batchv1.JobFailed)
		require.Equal(t, batchv1.JobReasonPodFailurePolicy, reason)
		require.EqualValues(t, 1, job.Status.Failed)
		pod := onlyPod(t, enabled, p.name)
		require.Equal(t, corev1.PodFailed, pod.Status.Phase)
		require.EqualValues(t, 3, status(pod, "app").State.Terminated.ExitCode)
		require.Equal(t, "start end start end", verbs(p.events("app")))
	})
}

// Where the kubelet's own restarts do it, it is the kubelet that restarts.
func TestAnOnFailureJobIsRestartedByTheKubelet(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		b := newPod(t, "job-onfailure", shared, "-run=300ms", "-exit=42,0").rules(`{"containers": {"app": {"restartPolicy": "OnFailure"}}}`)
		b.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
		p := b.job(t, func(*batchv1.JobSpec) {})
		job, _ := waitJob(t, enabled, p.name, batchv1.JobComplete)
		require.Zero(t, job.Status.Failed)
		pod := onlyPod(t, enabled, p.name)
		require.False(t, isInjected(pod), "nothing to do for a shim")
		require.EqualValues(t, 1, status(pod, "app").RestartCount)
		require.Equal(t, "start end start end", verbs(p.events("app")))
	})
}
