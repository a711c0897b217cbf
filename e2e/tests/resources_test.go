//go:build e2e

package tests

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func amounts(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func TestTheQoSClassIsKept(t *testing.T) {
	some, more := amounts("50m", "32Mi"), amounts("100m", "64Mi")
	for name, test := range map[string]struct {
		class     corev1.PodQOSClass
		resources []corev1.ResourceRequirements
	}{
		"nothing":                    {corev1.PodQOSBestEffort, []corev1.ResourceRequirements{{}}},
		"requests":                   {corev1.PodQOSBurstable, []corev1.ResourceRequirements{{Requests: some}}},
		"requests below limits":      {corev1.PodQOSBurstable, []corev1.ResourceRequirements{{Requests: some, Limits: more}}},
		"only one resource":          {corev1.PodQOSBurstable, []corev1.ResourceRequirements{{Limits: corev1.ResourceList{corev1.ResourceCPU: more[corev1.ResourceCPU]}}}},
		"one of two containers":      {corev1.PodQOSBurstable, []corev1.ResourceRequirements{{Requests: some, Limits: some}, {}}},
		"limits":                     {corev1.PodQOSGuaranteed, []corev1.ResourceRequirements{{Limits: some}}},
		"limits, in both containers": {corev1.PodQOSGuaranteed, []corev1.ResourceRequirements{{Requests: some, Limits: some}, {Limits: more}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := podWithRules()
			pod.Spec.Containers[0].Resources = test.resources[0]
			for _, r := range test.resources[1:] {
				second := *pod.Spec.Containers[0].DeepCopy()
				second.Name, second.Resources = "second", r
				pod.Spec.Containers = append(pod.Spec.Containers, second)
			}
			without, err := dryRun(t, plain, pod)
			require.NoError(t, err)
			require.Equal(t, test.class, without.Status.QOSClass)

			namespace := newNamespace(t, optedIn)
			createIn(t, namespace, pod)
			with := waitPod(t, namespace, pod.Name, "ready", isReady)
			require.True(t, isInjected(with))
			require.Equal(t, test.class, with.Status.QOSClass)
		})
	}
}

// restricted makes a Pod's application one that the Pod Security Standard "restricted" admits.
func restricted(pod *corev1.Pod) {
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](1234), RunAsGroup: ptr.To[int64](1234),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

func TestPodSecurityRestricted(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		labels := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
		for key, value := range optedIn {
			labels[key] = value
		}
		namespace := newNamespace(t, labels)
		_, err := dryRun(t, namespace, podWithoutRules())
		require.ErrorContains(t, err, `violates PodSecurity "restricted`)

		b := newPod(t, "restricted", shared, "-run=300ms,0", "-exit=42").rules(restartAtOnce(42))
		restricted(&b.Pod)
		// The record is in an emptyDir: the standard has no hostPath.
		b.Namespace = namespace
		b.Spec.Volumes = b.Spec.Volumes[1:]
		b.Spec.Containers[0].VolumeMounts = b.Spec.Containers[0].VolumeMounts[1:]
		b.Spec.Containers[0].Command[1] = "-record=/work/app"
		_, err = client.CoreV1().Pods(namespace).Create(t.Context(), &b.Pod, metav1.CreateOptions{})
		require.NoError(t, err)

		pod := waitPod(t, namespace, b.Name, "ready", isReady)
		require.True(t, isInjected(pod))
		in := func(command ...string) string {
			stdout, stderr, err := kubectl(t, "", append([]string{"exec", "-n", namespace, b.Name, "-c", "app", "--"}, command...)...)
			require.NoError(t, err, stderr)
			return stdout
		}
		eventually(t, "started twice", func() bool {
			// What is begun in the container just before the restart is stopped with it.
			stdout, _, err := kubectl(t, "", "exec", "-n", namespace, b.Name, "-c", "app", "--", "grep", "-c", "start", "/work/app")
			return err == nil && stdout == "2\n"
		})
		require.Equal(t, "1234\n", in("id", "-u"))
		require.Equal(t, "1234\n", in("stat", "-c", "%u", "/work/app"), "the application's own user")
		require.Contains(t, in("cat", "/restartrules/attempt/app.json"), `"attempt":2`)
		_, _, err = kubectl(t, "", "exec", "-n", namespace, b.Name, "-c", "app", "--", "touch", "/file")
		require.Error(t, err, "its root is read-only")
		after := getPod(t, namespace, b.Name)
		require.Zero(t, status(after, "app").RestartCount)
		require.Equal(t, status(pod, "app").ContainerID, status(after, "app").ContainerID)
	})
}
