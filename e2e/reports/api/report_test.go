//go:build integration

package api

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/report/write"
)

// TestConditionEventAnnotation: the condition is there as False from the start, True and False again for a
// restart even if that was over before anybody was told; Event and annotation say who and why.
func TestConditionEventAnnotation(t *testing.T) {
	require.NoError(t, makeNamespace(t.Context(), "seen", nil))
	w := newWatcher(t, "seen", "")
	changes, err := s.api.CoreV1().Pods("seen").Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + w.pod.Name, ResourceVersion: w.pod.ResourceVersion})
	require.NoError(t, err)
	defer changes.Stop()

	code, text := post(t, w.token, w.report(t))
	require.Equal(t, http.StatusAccepted, code, text)
	c, _ := next(t, changes, corev1.AllContainersRestarting)
	require.Equal(t, corev1.ConditionFalse, c.Status)
	require.Empty(t, c.Reason+c.Message)

	w.restart()
	code, text = post(t, w.token, w.report(t))
	require.Equal(t, http.StatusAccepted, code, text)
	c, _ = next(t, changes, corev1.AllContainersRestarting)
	require.Equal(t, corev1.ConditionTrue, c.Status)
	require.Equal(t, "RestartAllContainersStarted", c.Reason)
	require.Equal(t, "container app exited with code 88, which restartPolicyRules[1] (RestartAllContainers) matches", c.Message)
	c, pod := next(t, changes, corev1.AllContainersRestarting)
	require.Equal(t, corev1.ConditionFalse, c.Status)
	require.Empty(t, c.Reason)
	require.Equal(t, "all containers were restarted in place in 2.5ms: container app exited with code 88, which restartPolicyRules[1] (RestartAllContainers) matches", c.Message)

	var status report.Status
	require.NoError(t, json.Unmarshal([]byte(pod.Annotations[api.StatusAnnotation]), &status))
	require.Equal(t, "app", status.Last.Container)
	require.EqualValues(t, 2500, status.Last.DurationMicros)

	events := func() []corev1.Event {
		list, err := s.api.CoreV1().Events("seen").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(w.pod.UID)})
		require.NoError(t, err)
		return list.Items
	}
	eventually(t, "there is an Event", func() bool { return len(events()) > 0 })
	code, _ = post(t, w.token, w.report(t)) // the same once more
	require.Equal(t, http.StatusAccepted, code)
	w.restart()
	code, _ = post(t, w.token, w.report(t))
	require.Equal(t, http.StatusAccepted, code)
	eventually(t, "it is counted", func() bool { return events()[0].Count == 2 })
	list := events()
	require.Len(t, list, 1)
	require.Equal(t, "RestartAllContainersStarted", list[0].Reason)
	require.Equal(t, corev1.EventTypeNormal, list[0].Type)
	require.Equal(t, "restartrules", list[0].Source.Component)
	require.Equal(t, "restarting all containers in place: container app exited with code 88, which restartPolicyRules[1] (RestartAllContainers) matches", list[0].Message)
}

func next(t *testing.T, changes watch.Interface, kind corev1.PodConditionType) (*corev1.PodCondition, *corev1.Pod) {
	t.Helper()
	for change := range changes.ResultChan() {
		pod, ok := change.Object.(*corev1.Pod)
		require.True(t, ok, "%v", change)
		if c := conditionOf(pod, kind); c != nil {
			return c, pod
		}
	}
	t.Fatal("the watch has ended")
	return nil, nil
}

// TestUnkillable: the Event names the process that can't be killed, and the condition says that the Pod fails.
func TestUnkillable(t *testing.T) {
	require.NoError(t, makeNamespace(t.Context(), "stuck", nil))
	w := newWatcher(t, "stuck", "")
	w.restart()
	w.book.GaveUp("container app: a process outlives SIGKILL", &report.Stuck{Container: "app", PID: 17, Name: "driver"}, w.pod.CreationTimestamp.Time)
	code, text := post(t, w.token, w.report(t))
	require.Equal(t, http.StatusAccepted, code, text)
	eventually(t, "the Event", func() bool {
		list, err := s.api.CoreV1().Events("stuck").List(t.Context(), metav1.ListOptions{FieldSelector: "reason=FailedKillPod"})
		require.NoError(t, err)
		return len(list.Items) == 1 && list.Items[0].Type == corev1.EventTypeWarning &&
			list.Items[0].Message == "process 17 (driver) of container app outlives SIGKILL: nothing is started beside it, the Pod fails"
	})
	eventually(t, "the condition", func() bool {
		pod, err := s.api.CoreV1().Pods("stuck").Get(t.Context(), w.pod.Name, metav1.GetOptions{})
		require.NoError(t, err)
		c := conditionOf(pod, corev1.AllContainersRestarting)
		return c != nil && c.Status == corev1.ConditionFalse && c.Reason == "PodFailed"
	})
}

// TestConditionOfAKubeletThatOwnsIt: where the kubelet would drop the native condition there is another.
func TestConditionOfAKubeletThatOwnsIt(t *testing.T) {
	node, err := s.api.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "modern"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	node.Status.NodeInfo.KubeletVersion = "v1.36.3"
	node.Status.DeclaredFeatures = []string{compile.RestartAllFeature}
	node, err = s.api.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
	require.NoError(t, err)
	if len(node.Status.DeclaredFeatures) == 0 {
		t.Skip("this API server drops declaredFeatures: the feature gate NodeDeclaredFeatures is off")
	}
	require.NoError(t, makeNamespace(t.Context(), "owned", nil))
	w := newWatcher(t, "owned", "modern")
	code, text := post(t, w.token, w.report(t))
	require.Equal(t, http.StatusAccepted, code, text)
	eventually(t, "the condition", func() bool {
		pod, err := s.api.CoreV1().Pods("owned").Get(t.Context(), w.pod.Name, metav1.GetOptions{})
		require.NoError(t, err)
		require.Nil(t, conditionOf(pod, corev1.AllContainersRestarting))
		return conditionOf(pod, write.OwnCondition) != nil
	})
}
