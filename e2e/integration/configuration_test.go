//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

// configured is the webhook's Configuration in these tests: nothing but for namespaces of the tests below.
const configured = `
apiVersion: config.restartrules.dev/v1alpha1
kind: Configuration
watcher: {image: "localhost/restartrules/watcher:test", imagePullPolicy: IfNotPresent, readinessPort: 0}
namespaces:
- names: ["strict-*"]
  rules: {allowedActions: [Restart, RestartAllContainers], allowedStrategies: [in-place]}
- names: ["adding-*"]
  watcher:
    mirror: mirror.example.com/cache
    imagePullSecrets: [{name: mirror}]
    resources: {requests: {cpu: 20m}, limits: {memory: 64Mi}}
  pods:
    labels: {team: platform, example.com/injected: "yes"}
    annotations: {example.com/cost-center: "42"}
    shareProcessNamespace: false
  rules: {minBackoff: 30s}
`

// optedInAs is optedIn for a namespace whose name begins so.
func optedInAs(t *testing.T, prefix string) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix, Labels: map[string]string{api.InjectLabel: api.InjectEnabled}}}
	require.NoError(t, s.client.Create(t.Context(), namespace))
	return namespace.Name
}

func withAnnotatedAction(action string) change {
	return withAnnotation(api.RulesAnnotation, `
containers:
  app:
    restartPolicy: Never
    restartPolicyRules:
    - {action: `+action+`, exitCodes: {operator: In, values: [42]}}
`)
}

// TestWhatTheConfigurationForbids: it is refused where it is forbidden and nowhere else, in Pods and in their templates.
func TestWhatTheConfigurationForbids(t *testing.T) {
	strict, usual := optedInAs(t, "strict-"), optedIn(t)
	bySandbox := withAnnotation(api.StrategyAnnotation, api.StrategySandbox)
	for _, test := range []struct {
		name    string
		changes []change
		says    string
	}{
		{"action", []change{withAnnotatedAction("TerminatePod")},
			"metadata.annotations[restartrules.dev/rules].containers[app].restartPolicyRules[0].action: Forbidden: action TerminatePod is not allowed here: " +
				"the Configuration of Restart Rules in this cluster says so (rules.allowedActions)"},
		{"strategy", []change{withAnnotatedAction("Restart"), bySandbox},
			"metadata.annotations[restartrules.dev/strategy]: Forbidden: strategy sandbox is not allowed here: " +
				"the Configuration of Restart Rules in this cluster says so (rules.allowedStrategies)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := newPod(strict, test.changes...)
			err := s.client.Create(t.Context(), pod)
			require.True(t, apierrors.IsInvalid(err), "%v", err)
			require.ErrorContains(t, err, `Pod "pod" is invalid: `+test.says)
			err = s.client.Create(t.Context(), deploymentOf(pod))
			require.True(t, apierrors.IsInvalid(err), "%v", err)
			require.ErrorContains(t, err, `Deployment.apps "pod" is invalid: spec.template.`+test.says)

			pod.Namespace, pod.Name = usual, test.name
			create(t, pod)
			require.NoError(t, s.client.Create(t.Context(), deploymentOf(newPod(usual, append(test.changes, withName(test.name))...))))
		})
	}
	require.True(t, isInjected(create(t, newPod(strict, withAnnotatedAction("RestartAllContainers")))))
}

// deploymentOf is a Deployment of such Pods.
func deploymentOf(pod *corev1.Pod) *appsv1.Deployment {
	labels := map[string]string{"app": pod.Name}
	spec := *pod.Spec.DeepCopy()
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: pod.Annotations}, Spec: spec},
		},
	}
}

// TestWhatTheConfigurationAdds: Pods have it beside what is their own, and only once.
func TestWhatTheConfigurationAdds(t *testing.T) {
	own := func(pod *corev1.Pod) {
		pod.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "own"}}
		pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	}
	pod := newPod(optedInAs(t, "adding-"), withRules(42), withLabel("team", "training"), own)
	live := create(t, pod.DeepCopy())
	require.True(t, isInjected(live))
	require.Equal(t, map[string]string{"team": "training", "example.com/injected": "yes", api.ModeLabel: api.ModeEmulated}, live.Labels)
	require.Equal(t, "42", live.Annotations["example.com/cost-center"])
	require.Equal(t, []corev1.LocalObjectReference{{Name: "own"}, {Name: "mirror"}}, live.Spec.ImagePullSecrets)
	require.Nil(t, live.Spec.ShareProcessNamespace)
	require.Contains(t, live.Spec.Containers[0].Command, "--backoff=30s/5m/10m")
	watcher := live.Spec.InitContainers[0]
	require.Equal(t, "mirror.example.com/cache/watcher:test", watcher.Image)
	require.Equal(t, "20m", watcher.Resources.Requests.Cpu().String())
	require.Equal(t, "16Mi", watcher.Resources.Requests.Memory().String())
	require.Equal(t, "64Mi", watcher.Resources.Limits.Memory().String())
	require.Equal(t, corev1.PodQOSBurstable, live.Status.QOSClass)

	// It is the user's to change what was added, and nothing puts it back.
	live.Labels["example.com/injected"] = "no"
	delete(live.Annotations, "example.com/cost-center")
	require.NoError(t, s.client.Update(t.Context(), live))
	live = stored(t, live)
	require.Equal(t, "no", live.Labels["example.com/injected"])
	require.NotContains(t, live.Annotations, "example.com/cost-center")

	usual := create(t, newPod(optedIn(t), withRules(42)))
	require.Empty(t, usual.Spec.ImagePullSecrets)
	require.Equal(t, map[string]string{api.ModeLabel: api.ModeEmulated}, usual.Labels)
	require.True(t, *usual.Spec.ShareProcessNamespace)
}
