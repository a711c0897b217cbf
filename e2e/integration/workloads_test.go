//go:build integration

package integration

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/workload"
)

// TestNativeFieldsFromBefore: a Deployment and its ReplicaSet were stored with native fields while
// the API server had the gate on, and the namespace opts in later. Nothing of their templates changes
// until a user changes it.
func TestNativeFieldsFromBefore(t *testing.T) {
	gated := &envtest.APIServer{EtcdURL: s.Environment.ControlPlane.Etcd.URL, Path: s.Environment.ControlPlane.GetAPIServer().Path}
	gated.Configure().Append("feature-gates", "ContainerRestartRules=true")
	require.NoError(t, gated.Start())
	defer func() { require.NoError(t, gated.Stop()) }()
	config, err := gated.Authn.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}},
		&rest.Config{Host: gated.SecureServing.URL("https", "").String(), TLSClientConfig: rest.TLSClientConfig{CAData: gated.CA}})
	require.NoError(t, err)
	before, err := client.New(config, client.Options{})
	require.NoError(t, err)

	namespace := newNamespace(t)
	deployment, replicaSet := workloadKinds[0], workloadKinds[3]
	require.NoError(t, before.Create(t.Context(), &unstructured.Unstructured{Object: deployment.manifest(t, newPod(namespace, withRules(42)))}))
	owned := &unstructured.Unstructured{Object: replicaSet.manifest(t, newPod(namespace, withRules(42)))}
	owned.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "1", Controller: ptr.To(true)}})
	require.NoError(t, before.Create(t.Context(), owned))
	mustKubectl(t, nil, "label", "namespace", namespace, api.InjectLabel+"="+api.InjectEnabled)

	stored := deployment.live(t, namespace).Object["spec"]
	require.Contains(t, string(asJSON(t, stored)), "restartPolicyRules")
	require.Eventually(t, func() bool { // the API server has noticed the label
		pod := newPod(namespace, withRules(42))
		return s.client.Create(t.Context(), pod, client.DryRunAll) == nil && isInjected(pod)
	}, patience, interval)
	for _, resource := range []string{"deployment/web", "replicaset/web"} {
		mustKubectl(t, nil, "annotate", resource, "-n", namespace, "changed=true")
		mustKubectl(t, nil, "scale", resource, "-n", namespace, "--replicas=0")
		mustKubectl(t, nil, "scale", resource, "-n", namespace, "--replicas=1")
		mustKubectl(t, nil, "patch", resource, "-n", namespace, "-p", `{"spec":{"minReadySeconds":1}}`)
		mustKubectl(t, nil, "patch", resource, "-n", namespace, "-p", `{"spec":{"minReadySeconds":0}}`)
	}
	require.Equal(t, stored, deployment.live(t, namespace).Object["spec"])
	require.Equal(t, stored.(object)["template"], replicaSet.live(t, namespace).Object["spec"].(object)["template"])

	mustKubectl(t, nil, "set", "image", "deployment/web", "-n", namespace, "app=example.com/app:2")
	require.Equal(t, onExit(42), effective(t, namespace, deployment.podTemplates(t, deployment.live(t, namespace))[0]))
}

// TestEveryKind: valid is lifted, the same again changes nothing, invalid is refused with the path
// that its user wrote.
func TestEveryKind(t *testing.T) {
	for _, k := range workloadKinds {
		t.Run(k.kind, func(t *testing.T) {
			for name, how := range map[string][]string{"client side": nil, "server side": {"--server-side"}} {
				t.Run(name, func(t *testing.T) {
					namespace := optedIn(t)
					apply := applying(how...)
					manifest := k.manifest(t, newPod(namespace, withRules(42)))
					apply(t, k, nil, manifest)
					first := k.live(t, namespace)
					for _, template := range k.podTemplates(t, first) {
						require.Contains(t, template.Annotations[api.LiftedRulesAnnotation], `"values":[42]`)
						require.Equal(t, onExit(42), withoutLimit(effective(t, namespace, template)))
						if k.apiVersion == "batch/v1" || k.kind == "JobSet" {
							require.Equal(t, "6", template.Annotations[api.MaxRestartsAnnotation])
						} else {
							require.NotContains(t, template.Annotations, api.MaxRestartsAnnotation)
						}
					}
					for range 10 {
						require.NotContains(t, apply(t, k, manifest, manifest), "Warning")
					}
					require.Equal(t, first, k.live(t, namespace))

					edited := k.manifest(t, newPod(namespace, withRules(43)))
					out, err := kubectl(asJSON(t, edited), append([]string{"apply", "-f", "-"}, how...)...)
					if k.kind == "Job" {
						require.ErrorContains(t, err, "exit status 1")
						require.Contains(t, out, "field is immutable")
						require.Equal(t, first, k.live(t, namespace))
						return
					}
					require.NoError(t, err, out)
					for _, template := range k.podTemplates(t, k.live(t, namespace)) {
						require.Equal(t, onExit(43), withoutLimit(effective(t, namespace, template)))
					}
					removed := k.manifest(t, newPod(namespace))
					apply(t, k, edited, removed)
					for _, template := range k.podTemplates(t, k.live(t, namespace)) {
						require.Empty(t, effective(t, namespace, template))
					}
				})
			}
			t.Run("invalid", func(t *testing.T) {
				namespace := optedIn(t)
				invalid := func(pod *corev1.Pod) { pod.Spec.Containers[0].RestartPolicyRules[0].Action = "Reboot" }
				o := &unstructured.Unstructured{Object: k.manifest(t, newPod(namespace, withRules(42), invalid))}
				err := s.client.Create(t.Context(), o)
				require.True(t, apierrors.IsInvalid(err), "%v", err)
				var status apierrors.APIStatus
				require.ErrorAs(t, err, &status)
				details := status.Status().Details
				require.Equal(t, k.kind, details.Kind)
				kind, _ := workload.KindOf(k.apiVersion, k.kind)
				templates, err := workload.Templates(asJSON(t, o), kind)
				require.NoError(t, err)
				require.Equal(t, kind.Group, details.Group)
				require.Len(t, details.Causes, k.templates)
				for i, template := range templates {
					require.Equal(t, template.Path.String()+".spec.containers[0].restartPolicyRules[0].action", details.Causes[i].Field)
					require.Contains(t, details.Causes[i].Message, `Unsupported value: "Reboot": supported values: "Restart"`)
				}
			})
		})
	}
}

// TestOwnedReplicaSetIsNeverChanged: the Deployment controller would make new ones for ever.
func TestOwnedReplicaSetIsNeverChanged(t *testing.T) {
	namespace := optedIn(t)
	k := workloadKinds[3]
	owned := func(changes ...change) *unstructured.Unstructured {
		o := &unstructured.Unstructured{Object: k.manifest(t, newPod(namespace, changes...))}
		o.SetOwnerReferences([]metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "1", Controller: ptr.To(true),
		}})
		return o
	}
	require.NoError(t, s.client.Create(t.Context(), owned(withRules(42))))
	live := k.live(t, namespace)
	// The API server dropped the fields; we added nothing.
	require.Empty(t, k.podTemplates(t, live)[0].Annotations)

	bad := owned(withRules(42), func(pod *corev1.Pod) { pod.Spec.Containers[0].RestartPolicy = nil })
	bad.SetName("bad")
	require.ErrorContains(t, s.client.Create(t.Context(), bad), "spec.template.spec.containers[0].restartPolicy: Required value")
}

// TestWorkloadsWithoutRulesAreNotLookedAt holds us to it with the API server's own count, for every
// kind, and with the webhook's subresources.
func TestWorkloadsWithoutRulesAreNotLookedAt(t *testing.T) {
	before := calls(t)
	namespace := optedIn(t)
	for _, k := range workloadKinds {
		manifest := k.manifest(t, newPod(namespace, withSidecar))
		mustKubectl(t, asJSON(t, manifest), "apply", "-f", "-")
		mustKubectl(t, nil, "label", k.resource(t), "web", "-n", namespace, "changed=true")
		mustKubectl(t, nil, "delete", k.resource(t), "web", "-n", namespace)
	}
	optedOut := workloadKinds[0].manifest(t, newPod(namespace, withRules(42), withLabel(api.InjectLabel, api.InjectDisabled)))
	mustKubectl(t, asJSON(t, optedOut), "apply", "-f", "-")
	require.InDelta(t, before, calls(t), 0)

	lifted := workloadKinds[1].manifest(t, newPod(namespace, withRules(42)))
	mustKubectl(t, asJSON(t, lifted), "apply", "-f", "-")
	after := calls(t)
	require.Greater(t, after, before)
	mustKubectl(t, nil, "scale", "statefulset/web", "-n", namespace, "--replicas=0")
	asController(t, workloadKinds[1], namespace)
	require.InDelta(t, after, calls(t), 0)
	require.Zero(t, apiServerMetric(t, "apiserver_admission_match_condition_evaluation_errors_total"))
}

// TestWorkloadsOptIn: the namespace opts in, or the Pod template itself.
func TestWorkloadsOptIn(t *testing.T) {
	for _, test := range []struct {
		name, namespace, template string
		lifted                    bool
	}{
		{"nobody", "", "", false},
		{"namespace", "enabled", "", true},
		{"template", "", "enabled", true},
		{"both", "enabled", "enabled", true},
		{"namespace, template out", "enabled", "disabled", false},
	} {
		for _, k := range workloadKinds {
			t.Run(test.name+", "+k.kind, func(t *testing.T) {
				var labels []string
				if test.namespace != "" {
					labels = []string{api.InjectLabel, test.namespace}
				}
				namespace := newNamespace(t, labels...)
				pod := newPod(namespace, withRules(42))
				if test.template != "" {
					withLabel(api.InjectLabel, test.template)(pod)
				}
				o := &unstructured.Unstructured{Object: k.manifest(t, pod)}
				require.NoError(t, s.client.Create(t.Context(), o))
				lifted := strings.Contains(string(asJSON(t, k.live(t, namespace))), api.LiftedRulesAnnotation)
				require.Equal(t, test.lifted, lifted)
			})
		}
	}
}
