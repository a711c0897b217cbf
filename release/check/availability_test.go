package check

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestAvailability: what keeps replicas there, in both of the ways that promise it.
func TestAvailability(t *testing.T) {
	for name, objects := range map[string][]unstructured.Unstructured{"chart": helm(t, "{}"), "overlay": overlay(t, "ha")} {
		t.Run(name, func(t *testing.T) {
			deployment := one[appsv1.Deployment](t, objects, "Deployment")
			pod := deployment.Spec.Template
			require.GreaterOrEqual(t, *deployment.Spec.Replicas, int32(2))
			require.Positive(t, deployment.Spec.MinReadySeconds)
			require.Zero(t, deployment.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue(), "no replica goes before its successor is ready")
			require.NotNil(t, pod.Spec.Containers[0].ReadinessProbe)
			require.NotNil(t, pod.Spec.Containers[0].LivenessProbe)
			require.NotEmpty(t, pod.Spec.Containers[0].Resources.Limits.Memory().String())

			spread := map[string]bool{}
			for _, constraint := range pod.Spec.TopologySpreadConstraints {
				spread[constraint.TopologyKey] = true
				require.Equal(t, corev1.ScheduleAnyway, constraint.WhenUnsatisfiable, "one node must do")
				selects(t, constraint.LabelSelector, pod.Labels)
			}
			require.Equal(t, map[string]bool{corev1.LabelHostname: true, corev1.LabelTopologyZone: true}, spread)

			budget := one[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget")
			require.EqualValues(t, 1, budget.Spec.MaxUnavailable.IntValue())
			require.Equal(t, policyv1.AlwaysAllow, *budget.Spec.UnhealthyPodEvictionPolicy, "a broken webhook keeps no node from draining")
			selects(t, budget.Spec.Selector, pod.Labels)

			class := one[schedulingv1.PriorityClass](t, objects, "PriorityClass")
			require.Equal(t, class.Name, pod.Spec.PriorityClassName)
			require.False(t, class.GlobalDefault)
			require.Positive(t, class.Value)
		})
	}
}

// TestNetworkPolicies: all ports of the webhook are let in, and with egress only what it needs is let out.
func TestNetworkPolicies(t *testing.T) {
	for name, objects := range map[string][]unstructured.Unstructured{
		"chart": helm(t, "networkPolicy: {egress: true}"), "overlay": overlay(t, "ha", "egress"),
	} {
		t.Run(name, func(t *testing.T) {
			pod := one[appsv1.Deployment](t, objects, "Deployment").Spec.Template
			directions := map[networkingv1.PolicyType]networkingv1.NetworkPolicySpec{}
			for _, o := range objects {
				if o.GetKind() != "NetworkPolicy" {
					continue
				}
				var policy networkingv1.NetworkPolicy
				require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &policy, true))
				require.Len(t, policy.Spec.PolicyTypes, 1)
				directions[policy.Spec.PolicyTypes[0]] = policy.Spec
				selects(t, &policy.Spec.PodSelector, pod.Labels)
			}
			require.Len(t, directions, 2)
			let := map[string]bool{}
			for _, rule := range directions[networkingv1.PolicyTypeIngress].Ingress {
				for _, port := range rule.Ports {
					let[port.Port.String()] = true
				}
			}
			for _, port := range pod.Spec.Containers[0].Ports {
				require.True(t, let[port.Name], port.Name)
				delete(let, port.Name)
			}
			require.Empty(t, let)
			for _, rule := range directions[networkingv1.PolicyTypeEgress].Egress {
				require.NotEmpty(t, rule.Ports, "no rule lets everything out")
				for _, port := range rule.Ports {
					let[port.Port.String()] = true
				}
			}
			require.Equal(t, map[string]bool{"53": true, "443": true, "6443": true}, let)
		})
	}
}

func selects(t *testing.T, selector *metav1.LabelSelector, pod map[string]string) {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	require.False(t, s.Empty())
	require.True(t, s.Matches(labels.Set(pod)))
}
