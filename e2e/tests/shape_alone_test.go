//go:build e2e

package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

// What would restart a container to resize it can't be in a Pod whose restartPolicy has to become Never. It is
// refused by us, with what to write; and as that says it works.
func TestShapeResizePolicy(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, optedIn)
	resizable := func(policy corev1.ResourceResizeRestartPolicy) *shape {
		s := newShape(t, namespace, "echo here")
		s.Spec.RestartPolicy = corev1.RestartPolicyAlways
		s.app().Resources = corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}}
		s.app().ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceMemory, RestartPolicy: policy}}
		return s
	}
	_, err := dryRun(t, namespace, resizable(corev1.RestartContainer).Pod)
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.ErrorContains(t, err, `spec.containers[0].resizePolicy[0].restartPolicy: Forbidden: container "app" is to be restarted when its memory is resized`)

	s := resizable(corev1.NotRequired)
	require.Equal(t, "here", s.restart())
	require.Equal(t, corev1.RestartPolicyNever, s.get().Spec.RestartPolicy)

	if !apiServer.AtLeast(version.MustParseGeneric("1.33.0")) {
		t.Skip("the rest needs an API server from 1.33 on: this one can't resize")
	}
	// The Pod keeps its restartPolicy, and the kubelet resizes by a restart, with a shim as without.
	s = resizable(corev1.RestartContainer)
	s.Name = "survivor"
	s.Annotations[api.PreferAnnotation] = api.PreferSurvive
	require.Equal(t, "here", s.restart())
	_, err = client.CoreV1().Pods(namespace).Patch(t.Context(), s.Name, types.StrategicMergePatchType,
		[]byte(`{"spec": {"containers": [{"name": "app", "resources": {"limits": {"memory": "72Mi"}, "requests": {"memory": "72Mi"}}}]}}`), metav1.PatchOptions{}, "resize")
	require.NoError(t, err)
	pod := waitPod(t, namespace, s.Name, "resized", func(pod *corev1.Pod) bool {
		app := status(pod, "app")
		return app.RestartCount == 1 && app.State.Running != nil && app.Resources != nil && app.Resources.Limits.Memory().String() == "72Mi"
	})
	require.True(t, isInjected(pod))
}

// warned creates the Pod as a user does and gives what the API server passes on.
func warned(t *testing.T, namespace string, pod *corev1.Pod) string {
	t.Helper()
	pod = pod.DeepCopy()
	pod.APIVersion, pod.Kind = "v1", "Pod"
	text, err := json.Marshal(pod)
	require.NoError(t, err)
	_, stderr, err := kubectl(t, string(text), "create", "-n", namespace, "-f", "-")
	require.NoError(t, err, stderr)
	return stderr
}

func TestShapeWindowsIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(pod *corev1.Pod){
		"by its os":           func(pod *corev1.Pod) { pod.Spec.OS = &corev1.PodOS{Name: corev1.Windows} },
		"by its nodeSelector": func(pod *corev1.Pod) { pod.Spec.NodeSelector = map[string]string{corev1.LabelOSStable: "windows"} },
	} {
		t.Run(name, func(t *testing.T) {
			namespace := newNamespace(t, optedIn)
			pod := podWithRules()
			pod.Spec.Containers[0].Command = nil // which is no error either
			change(pod)
			require.Contains(t, warned(t, namespace, pod), "the Pod runs on Windows, which Restart Rules doesn't support: it is left as it is")
			live := getPod(t, namespace, pod.Name)
			require.Empty(t, live.Spec.InitContainers)
			require.Empty(t, live.Spec.Containers[0].Command)
			require.NotContains(t, live.Labels, api.ModeLabel)
			require.NotContains(t, live.Annotations, api.PlanAnnotation)
			require.Equal(t, corev1.RestartPolicyNever, live.Spec.RestartPolicy)
		})
	}
}

// A static Pod runs as its file says, and what the API server shows of it is that.
func TestShapeStaticPodIsLeftAlone(t *testing.T) {
	t.Parallel()
	onlyLocal(t)
	pod := newPod(t, "static", true, "-run=1s,0", "-exit=42").rules(restartAtOnce(42))
	pod.APIVersion, pod.Kind = "v1", "Pod"
	pod.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	pod.Spec.AutomountServiceAccountToken = ptr.To(false)
	text, err := json.Marshal(pod.Pod)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(records, t.Name())))
	file := filepath.Join(filepath.Dir(cluster.Kubeconfig), "static-pods", "static.json")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	p := &runningPod{t: t, name: pod.Name + "-node"}
	t.Cleanup(func() {
		require.NoError(t, os.Remove(file))
		ctx := contextForCleanup(t)
		require.Eventually(t, func() bool {
			list, err := client.CoreV1().Pods(enabled).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + p.name})
			return err == nil && len(list.Items) == 0
		}, patience, lookAgain)
	})
	p.waitStarts("app", 2)
	var mirror *corev1.Pod
	eventually(t, "the API server shows it", func() bool {
		mirror, err = client.CoreV1().Pods(enabled).Get(t.Context(), p.name, metav1.GetOptions{})
		return err == nil && status(mirror, "app").RestartCount > 0
	})
	require.Contains(t, mirror.Annotations, corev1.MirrorPodAnnotationKey)
	require.Empty(t, mirror.Spec.InitContainers)
	require.Equal(t, "/app", mirror.Spec.Containers[0].Command[0])
	require.NotContains(t, mirror.Labels, api.ModeLabel)
	require.Equal(t, corev1.RestartPolicyOnFailure, mirror.Spec.RestartPolicy)
}
