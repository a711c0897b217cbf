package native

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"restartrules.dev/pkg/compile"
)

// apiServer answers the dry runs.
type apiServer func(*corev1.Pod) (*corev1.Pod, error)

func takes(actions ...corev1.ContainerRestartRuleAction) apiServer {
	return func(pod *corev1.Pod) (*corev1.Pod, error) {
		for _, a := range actions {
			if pod.Spec.Containers[0].RestartPolicyRules[0].Action == a {
				return pod, nil
			}
		}
		return nil, apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, pod.GenerateName, nil)
	}
}

func drops(pod *corev1.Pod) (*corev1.Pod, error) {
	pod = pod.DeepCopy()
	pod.Spec.Containers[0].RestartPolicy, pod.Spec.Containers[0].RestartPolicyRules = nil, nil
	return pod, nil
}

func forbids(*corev1.Pod) (*corev1.Pod, error) {
	return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", nil)
}

const (
	restart    = corev1.ContainerRestartRuleActionRestart
	restartAll = corev1.ContainerRestartRuleActionRestartAllContainers
)

func aNode(name, kubelet string, declares ...string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{DeclaredFeatures: declares, NodeInfo: corev1.NodeSystemInfo{KubeletVersion: kubelet}}}
}

func newDetector(t *testing.T, answer apiServer, nodes ...runtime.Object) (*Detector, *fake.Clientset, *prometheus.Registry) {
	client := fake.NewClientset(nodes...)
	client.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		create := a.(clienttesting.CreateActionImpl)
		require.Equal(t, []string{metav1.DryRunAll}, create.CreateOptions.DryRun)
		require.Equal(t, "restartrules-system", create.Namespace)
		pod, err := answer(create.Object.(*corev1.Pod))
		return true, pod, err
	})
	registry := prometheus.NewRegistry()
	d, err := New(client, "restartrules-system", testr.New(t), registry)
	require.NoError(t, err)
	return d, client, registry
}

func TestDecide(t *testing.T) {
	all, rac := []corev1.ContainerRestartRuleAction{restart, restartAll}, compile.RestartAllFeature
	for name, tc := range map[string]struct {
		answer apiServer
		nodes  []node
		want   compile.Features
		why    string // of RestartAll
	}{
		"1.36":                         {takes(all...), []node{{"a", "v1.36.3", []string{rac}}}, compile.Features{Restart: true, RestartAll: true}, "the API server takes rules with action RestartAllContainers, and so do all 1 nodes"},
		"1.35 by default":              {takes(restart), []node{{"a", "v1.35.4", nil}}, compile.Features{Restart: true}, "node a: its kubelet does not declare the feature"},
		"1.34, the gate off":           {drops, []node{{"a", "v1.34.4", nil}}, compile.Features{}, "node a: its kubelet is v1.34.4, which has no RestartAllContainersOnContainerExits"},
		"an API server that drops":     {drops, []node{{"a", "v1.36.0", []string{rac}}}, compile.Features{}, "the API server drops restartPolicyRules: the gate ContainerRestartRules is off"},
		"an API server that refuses":   {takes(), []node{{"a", "v1.36.0", []string{rac}}}, compile.Features{}, "the API server refuses a rule with action RestartAllContainers"},
		"one old node":                 {takes(all...), []node{{"a", "v1.36.0", []string{rac}}, {"b", "v1.33.1", nil}}, compile.Features{}, "node b: its kubelet is v1.33.1, which has no RestartAllContainersOnContainerExits"},
		"one node that declares not":   {takes(all...), []node{{"a", "v1.36.0", []string{rac}}, {"b", "v1.36.0", nil}}, compile.Features{Restart: true}, "node b: its kubelet does not declare the feature"},
		"a declaration that is stale":  {takes(all...), []node{{"a", "v1.34.9", []string{rac}}}, compile.Features{}, "node a: its kubelet is v1.34.9, which has no RestartAllContainersOnContainerExits"},
		"a pre-release, with a vendor": {takes(all...), []node{{"a", "v1.35.0-rc.1", []string{rac}}, {"b", "v1.36.2-gke.100", []string{rac}}}, compile.Features{Restart: true, RestartAll: true}, "the API server takes rules with action RestartAllContainers, and so do all 2 nodes"},
		"a version that is none":       {takes(all...), []node{{"a", "latest", []string{rac}}}, compile.Features{}, `node a: its kubelet says that it is "latest", which is no version`},
		"no nodes":                     {takes(all...), nil, compile.Features{}, "there are no nodes yet"},
		"no rules without Restart":     {takes(restartAll), []node{{"a", "v1.36.0", []string{rac}}}, compile.Features{}, "the API server takes rules with action RestartAllContainers, and so do all 1 nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _, registry := newDetector(t, tc.answer)
			require.ErrorIs(t, d.Ready(), ErrUndecided)
			require.NoError(t, d.decide(t.Context(), tc.nodes))
			require.NoError(t, d.Ready())
			require.Equal(t, tc.want, d.Features())
			require.Equal(t, tc.why, d.decision.Load().Why[rac])
			shown, err := registry.Gather()
			require.NoError(t, err)
			require.Len(t, shown[0].Metric, 2) // by name of the feature
			require.Equal(t, tc.want.Restart, shown[0].Metric[0].Gauge.GetValue() == 1)
			require.Equal(t, tc.want.RestartAll, shown[0].Metric[1].Gauge.GetValue() == 1)
		})
	}
}

// What can't be found out is as before.
func TestDecideWithoutAnAnswer(t *testing.T) {
	answer := takes(restart, restartAll)
	d, _, _ := newDetector(t, func(pod *corev1.Pod) (*corev1.Pod, error) { return answer(pod) })
	nodes := []node{{"a", "v1.36.0", []string{compile.RestartAllFeature}}}
	require.NoError(t, d.decide(t.Context(), nodes))
	answer = forbids
	require.ErrorContains(t, d.decide(t.Context(), nodes), "feature ContainerRestartRules: dry run of a Pod in namespace restartrules-system: ")
	require.Equal(t, compile.Features{Restart: true, RestartAll: true}, d.Features())
}

func TestRunFollowsTheNodes(t *testing.T) {
	d, client, _ := newDetector(t, takes(restart, restartAll), aNode("a", "v1.36.0", compile.RestartAllFeature))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	features := func() any { return d.Features() }
	require.Eventually(t, func() bool { return features() == compile.Features{Restart: true, RestartAll: true} }, time.Minute, time.Millisecond)

	_, err := client.CoreV1().Nodes().Create(ctx, aNode("b", "v1.33.1"), metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return features() == compile.Features{} }, time.Minute, time.Millisecond)

	_, err = client.CoreV1().Nodes().UpdateStatus(ctx, aNode("b", "v1.35.1"), metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return features() == compile.Features{Restart: true} }, time.Minute, time.Millisecond)

	require.NoError(t, client.CoreV1().Nodes().Delete(ctx, "b", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool { return features() == compile.Features{Restart: true, RestartAll: true} }, time.Minute, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}
