//go:build integration

package integration

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"restartrules.dev/pkg/api"
)

func TestNativeFields(t *testing.T) {
	// The API server itself drops the fields: where we are not asked, nothing of them is left.
	pod := create(t, newPod(newNamespace(t), withRules(42)))
	require.False(t, isInjected(pod))
	require.False(t, usesRules(pod))
	require.Equal(t, []string{"app", "--serve"}, pod.Spec.Containers[0].Command)

	// It drops them after it has asked us.
	pod = create(t, newPod(optedIn(t), withRules(42)))
	require.True(t, isInjected(pod))
	require.False(t, usesRules(pod))
	require.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy)
	require.Equal(t, api.ModeEmulated, pod.Labels[api.ModeLabel])
	require.Contains(t, pod.Annotations, api.PlanAnnotation)
	command := pod.Spec.Containers[0].Command
	require.Equal(t, api.ShimPath, command[0])
	require.Contains(t, command, "--on-exit=0-41:end,42:restart/0,43-255:end")
	require.Equal(t, []string{"--", "app", "--serve"}, command[len(command)-3:])
	require.Equal(t, "localhost/restartrules/watcher:test", pod.Spec.InitContainers[0].Image)
}

func TestAnnotation(t *testing.T) {
	native := create(t, newPod(optedIn(t), withRules(42)))
	annotated := create(t, newPod(optedIn(t), rulesAnnotation("42")))
	require.Equal(t, native.Spec, annotated.Spec)
}

func TestPolicyOnly(t *testing.T) {
	pod := create(t, newPod(optedIn(t), withPolicy(corev1.ContainerRestartPolicyNever)))
	require.False(t, isInjected(pod))
	require.False(t, usesRules(pod))
	require.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy)
	require.Contains(t, pod.Annotations, api.PlanAnnotation)
}

func TestInvalidRulesAreRefused(t *testing.T) {
	noPolicy := func(pod *corev1.Pod) { pod.Spec.Containers[0].RestartPolicy = nil }
	noCommand := func(pod *corev1.Pod) { pod.Spec.Containers[0].Command = nil }
	for _, test := range []struct {
		name    string
		changes []change
		field   string
		says    string
	}{
		{"rules without policy", []change{withRules(42), noPolicy}, "spec.containers[0].restartPolicy",
			"Required value: must specify restartPolicy when restart rules are used"},
		{"no command", []change{withRules(42), noCommand}, "spec.containers[0].command", "Required value: container \"app\""},
		{"malformed annotation", []change{withAnnotation(api.RulesAnnotation, "containers:\n  app: {restartPolicy: [}")},
			"metadata.annotations[restartrules.dev/rules]", "neither YAML nor JSON"},
		{"unknown key", []change{withAnnotation(api.RulesAnnotation, "containers:\n  app:\n    restartPolice: Never")},
			"metadata.annotations[restartrules.dev/rules].containers[app]", `unknown key "restartPolice"`},
		{"unknown container", []change{withAnnotation(api.RulesAnnotation, "containers:\n  other:\n    restartPolicy: Never")},
			"metadata.annotations[restartrules.dev/rules].containers[other]", "the Pod has no container of this name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := newPod(optedIn(t), test.changes...)
			err := s.client.Create(t.Context(), pod)
			require.True(t, apierrors.IsInvalid(err), "%v", err)
			require.ErrorContains(t, err,
				`admission webhook "namespaces.restartrules.dev" denied the request: Pod "pod" is invalid: `)
			require.ErrorContains(t, err, test.field+": ")
			require.ErrorContains(t, err, test.says)
			var status apierrors.APIStatus
			require.ErrorAs(t, err, &status)
			require.NotEmpty(t, status.Status().Details.Causes)
			require.Contains(t, status.Status().Details.Causes[0].Field, test.field)
		})
	}
	pod := newPod(optedIn(t), withRules(42), noPolicy)
	require.EqualError(t, s.client.Create(t.Context(), pod),
		`admission webhook "namespaces.restartrules.dev" denied the request: Pod "pod" is invalid: `+
			`spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used`)
}

// TestWhatKubectlSays is what a user reads: the same as of a cluster that has the feature.
func TestWhatKubectlSays(t *testing.T) {
	pod := newPod(optedIn(t), withRules(42), func(pod *corev1.Pod) { pod.Spec.Containers[0].RestartPolicy = nil })
	out, err := kubectl(asJSON(t, pod), "create", "-f", "-")
	require.Error(t, err)
	require.Equal(t, `The Pod "pod" is invalid: spec.containers[0].restartPolicy: Required value: `+
		`must specify restartPolicy when restart rules are used`, out)
}

func TestOptInAndOut(t *testing.T) {
	for _, test := range []struct {
		name           string
		namespace, pod string
		injected       bool
	}{
		{"nobody", "", "", false},
		{"namespace", "enabled", "", true},
		{"Pod", "", "enabled", true},
		{"both", "enabled", "enabled", true},
		{"namespace, Pod out", "enabled", "disabled", false},
		{"namespace out", "disabled", "", false},
		{"namespace out, Pod", "disabled", "enabled", true},
		{"another value", "true", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var labels []string
			if test.namespace != "" {
				labels = []string{api.InjectLabel, test.namespace}
			}
			pod := newPod(newNamespace(t, labels...), withRules(42))
			if test.pod != "" {
				withLabel(api.InjectLabel, test.pod)(pod)
			}
			require.Equal(t, test.injected, isInjected(create(t, pod)))
		})
	}
	for _, namespace := range []string{"kube-system", "restartrules-system"} {
		pod := newPod(namespace, withRules(42), withLabel(api.InjectLabel, api.InjectEnabled), withName("opt-in"))
		restricted(pod)
		require.False(t, isInjected(create(t, pod)), namespace)
	}
}

func TestDryRun(t *testing.T) {
	pod := newPod(optedIn(t), withRules(42))
	require.NoError(t, s.client.Create(t.Context(), pod, client.DryRunAll))
	require.True(t, isInjected(pod))
	err := s.client.Get(t.Context(), client.ObjectKeyFromObject(pod), pod)
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// TestPodsWithoutRulesAreNotLookedAt holds us to it with the API server's own count.
func TestPodsWithoutRulesAreNotLookedAt(t *testing.T) {
	create(t, newPod(optedIn(t), withRules(42)))
	before := calls(t)
	require.Positive(t, before)

	namespace := optedIn(t)
	for _, pod := range []*corev1.Pod{
		newPod(namespace, withName("plain")),
		newPod(namespace, withName("sidecar"), withSidecar),
		newPod(namespace, withName("annotated"), withAnnotation("example.com/rules", "x"), withAnnotation(api.SeamAnnotation, "json")),
		newPod(namespace, withName("opted-out"), withRules(42), withLabel(api.InjectLabel, api.InjectDisabled)),
		newPod(namespace, withName("no-command"), func(pod *corev1.Pod) { pod.Spec.Containers[0].Command = nil }),
	} {
		live := create(t, pod)
		live.Spec.Containers[0].Image = "example.com/app:2"
		live.Labels = map[string]string{"changed": "true"}
		require.NoError(t, s.client.Update(t.Context(), live))
		require.NoError(t, deletePod(t.Context(), live))
	}
	require.InDelta(t, before, calls(t), 0)
	require.Zero(t, apiServerMetric(t, "apiserver_admission_match_condition_evaluation_errors_total"))
}

// TestErrorsOfTheAPIServerAreItsOwn: our conditions don't fail on a Pod that it refuses later.
func TestErrorsOfTheAPIServerAreItsOwn(t *testing.T) {
	pod := newPod(optedIn(t), func(pod *corev1.Pod) { pod.Spec.Containers = nil })
	require.EqualError(t, s.client.Create(t.Context(), pod),
		`Pod "pod" is invalid: spec.containers: Required value`)
}

// TestEverythingElseSurvives compares a Pod of many fields with and without injection.
func TestEverythingElseSurvives(t *testing.T) {
	rich := func(pod *corev1.Pod) {
		restricted(pod)
		pod.Spec.HostAliases = []corev1.HostAlias{{IP: "192.0.2.1", Hostnames: []string{"example.com"}}}
		pod.Spec.TerminationGracePeriodSeconds = ptr.To[int64](7)
		pod.Spec.Tolerations = []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}
		pod.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: "Memory"}}}}
		pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.ScheduleAnyway, MatchLabelKeys: []string{"app"},
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
		}}
		app := &pod.Spec.Containers[0]
		app.Env = []corev1.EnvVar{{Name: "HTML", Value: "<&>"}, {Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}}}
		app.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 80}}
		app.ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: "cpu", RestartPolicy: corev1.NotRequired}}
		app.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("100m")}
		app.VolumeMounts = []corev1.VolumeMount{{Name: "scratch", MountPath: "/scratch"}}
		app.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("http")}}}
		pod.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "example.com/setup:1", Command: []string{"setup"}, SecurityContext: app.SecurityContext}}
		withSidecar(pod)
		pod.Spec.InitContainers[1].SecurityContext = app.SecurityContext
		pod.Finalizers = []string{"example.com/keep"}
	}
	restrictedNamespace := []string{"pod-security.kubernetes.io/enforce", "restricted"}
	plain := create(t, newPod(newNamespace(t, restrictedNamespace...), rich, withRules(42)))
	injected := create(t, newPod(newNamespace(t, append(restrictedNamespace, api.InjectLabel, api.InjectEnabled)...), rich, withRules(42)))
	require.True(t, isInjected(injected))

	// Take out what we put in.
	spec := injected.Spec.DeepCopy()
	spec.RestartPolicy = plain.Spec.RestartPolicy
	spec.ShareProcessNamespace = nil
	spec.InitContainers = spec.InitContainers[1:]
	spec.InitContainers[0].Command = plain.Spec.InitContainers[0].Command
	spec.InitContainers[0].VolumeMounts = nil
	spec.Volumes = spec.Volumes[:1]
	spec.Containers[0].Command = plain.Spec.Containers[0].Command
	spec.Containers[0].VolumeMounts = spec.Containers[0].VolumeMounts[:1]
	require.Equal(t, &plain.Spec, spec)
	require.Equal(t, plain.Finalizers, injected.Finalizers)
}

// TestUnknownFields: where the API server only warns of an unknown field, so do we not refuse it.
func TestUnknownFields(t *testing.T) {
	var object unstructured.Unstructured
	require.NoError(t, object.UnmarshalJSON(asJSON(t, newPod(optedIn(t), withRules(42)))))
	require.NoError(t, unstructured.SetNestedField(object.Object, "x", "spec", "fieldOfTheFuture"))
	require.NoError(t, s.client.Create(t.Context(), &object, client.FieldValidation(metav1.FieldValidationIgnore)))
	pod := stored(t, newPod(object.GetNamespace()))
	require.True(t, isInjected(pod))
}

// TestForgedMarks: marks of an injection that never was are taken away or refused.
func TestForgedMarks(t *testing.T) {
	pod := create(t, newPod(optedIn(t), withAnnotation(api.PlanAnnotation, `{"version":1}`)))
	require.NotContains(t, pod.Annotations, api.PlanAnnotation)

	shim := func(pod *corev1.Pod) { pod.Spec.Containers[0].Command = []string{api.ShimPath, "run"} }
	err := s.client.Create(t.Context(), newPod(optedIn(t), shim, withLabel(api.ModeLabel, api.ModeEmulated)))
	require.True(t, apierrors.IsInvalid(err), "%v", err)
}

// TestOwnPodIsAllowedWhereItRuns: the Deployment's Pods pass the standard that its namespace enforces.
func TestOwnPodIsAllowedWhereItRuns(t *testing.T) {
	var deployment appsv1.Deployment
	key := client.ObjectKey{Namespace: "restartrules-system", Name: "restartrules-webhook"}
	require.NoError(t, s.client.Get(t.Context(), key, &deployment))
	template := deployment.Spec.Template
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Namespace, pod.Name = key.Namespace, "webhook"
	require.NoError(t, s.client.Create(t.Context(), pod))
	for _, volume := range pod.Spec.Volumes {
		require.False(t, strings.HasPrefix(volume.Name, "kube-api-access"))
	}
}

// restricted makes a Pod pass the Pod Security Standard of that name.
func restricted(pod *corev1.Pod) {
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: ptr.To(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].SecurityContext = &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
	}
}
