package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
	"restartrules.dev/pkg/api"
)

func reader(objects ...runtime.Object) (*Reader, *fake.Clientset, *dynamicfake.FakeDynamicClient) {
	client := fake.NewClientset(objects...)
	dynamic := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(scheme.Scheme, map[schema.GroupVersionResource]string{
		{Group: "jobset.x-k8s.io", Version: "v1alpha2", Resource: "jobsets"}:             "JobSetList",
		{Group: "leaderworkerset.x-k8s.io", Version: "v1", Resource: "leaderworkersets"}: "LeaderWorkerSetList",
	}, objects...)
	return &Reader{client: client, dynamic: dynamic, warnings: new(warnings), c: &check.Cluster{Now: time.Now()}}, client, dynamic
}

// with is an object of these annotations and labels, made by a controller of that kind, if it is not empty.
func with(annotations, labels map[string]string, controller string) metav1.ObjectMeta {
	meta := metav1.ObjectMeta{Namespace: "a", Annotations: annotations, Labels: labels}
	if controller != "" {
		meta.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: controller, Name: "owner", Controller: ptr.To(true)}}
	}
	return meta
}

func TestUsers(t *testing.T) {
	rules := map[string]string{api.RulesAnnotation: "{}"}
	never := corev1.Container{Name: "a", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyNever)}
	sidecar := corev1.Container{Name: "b", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}
	pod := func(name string, meta metav1.ObjectMeta, spec corev1.PodSpec, phase corev1.PodPhase) *corev1.Pod {
		meta.Name = name
		return &corev1.Pod{ObjectMeta: meta, Spec: spec, Status: corev1.PodStatus{Phase: phase}}
	}
	deployment := &appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web"}}
	deployment.Spec.Template.Annotations = rules
	set := &appsv1.ReplicaSet{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"}, ObjectMeta: with(nil, nil, "Deployment")}
	set.Name, set.Spec.Template.Annotations = "web-1", rules

	r, _, _ := reader(deployment, set,
		pod("annotated", with(rules, nil, ""), corev1.PodSpec{}, corev1.PodRunning),
		pod("native", with(nil, nil, ""), corev1.PodSpec{Containers: []corev1.Container{never}}, corev1.PodPending),
		pod("labelled", with(nil, map[string]string{api.InjectLabel: "true"}, ""), corev1.PodSpec{}, corev1.PodRunning),
		pod("injected", with(map[string]string{api.RulesAnnotation: "{}", api.PlanAnnotation: "{}"}, nil, ""), corev1.PodSpec{}, corev1.PodRunning),
		pod("of-a-custom-kind", with(rules, nil, "Training"), corev1.PodSpec{}, corev1.PodRunning),
		// and none of these:
		pod("over", with(rules, nil, ""), corev1.PodSpec{}, corev1.PodSucceeded),
		pod("controlled", with(rules, nil, "ReplicaSet"), corev1.PodSpec{}, corev1.PodRunning),
		pod("sidecar", with(nil, nil, ""), corev1.PodSpec{InitContainers: []corev1.Container{sidecar}}, corev1.PodRunning),
		pod("plain", with(nil, nil, ""), corev1.PodSpec{}, corev1.PodRunning),
	)
	require.NoError(t, r.pods(t.Context()))
	require.NoError(t, r.workloads(t.Context()))
	require.ElementsMatch(t, []check.User{
		{Kind: "Pod", Namespace: "a", Name: "annotated", Annotated: true},
		{Kind: "Pod", Namespace: "a", Name: "native", Native: true},
		{Kind: "Pod", Namespace: "a", Name: "labelled", Label: "true"},
		{Kind: "Pod", Namespace: "a", Name: "injected", Annotated: true, Injected: true},
		{Kind: "Pod", Namespace: "a", Name: "of-a-custom-kind", Annotated: true},
		{Kind: "Deployment", Namespace: "a", Name: "web", Annotated: true},
	}, r.c.Users)
	require.Len(t, r.c.Pods, 1)
	require.Empty(t, r.c.LeftOut)
}

// What may not be read is left out, anything else that fails is an error.
func TestMayNotRead(t *testing.T) {
	r, client, _ := reader()
	failure := error(apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", nil))
	client.PrependReactor("list", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, failure })
	require.NoError(t, r.nodes(t.Context()))
	require.Equal(t, []check.LeftOut{{Check: "what the nodes' kubelets have", Needs: "list nodes"}}, r.c.LeftOut)
	failure = apierrors.NewTimeoutError("too late", 1)
	require.ErrorContains(t, r.nodes(t.Context()), "list nodes: ")
}

// A list that takes so long that it expires begins again.
func TestPagesExpire(t *testing.T) {
	var asked []metav1.ListOptions
	dropped := 0
	require.NoError(t, pages(func(o metav1.ListOptions) (string, error) {
		asked = append(asked, o)
		switch len(asked) {
		case 1:
			return "more", nil
		case 2:
			return "", apierrors.NewResourceExpired("gone")
		}
		return "", nil
	}, func() { dropped++ }))
	require.Equal(t, []metav1.ListOptions{{Limit: atOnce}, {Limit: atOnce, Continue: "more"}, {}}, asked)
	require.Equal(t, 1, dropped)
}

func TestLastProblem(t *testing.T) {
	require.Equal(t, "the webhook was not told: Post https://a/report: i/o timeout", lastProblem(`
{"level":"INFO","msg":"restarted, see /report"}
{"level":"WARN","msg":"the webhook was not told","error":"Post https://a/report: i/o timeout"}
{"level":"WARN","msg":"something else","error":"none"}
no JSON /report`))
	require.Empty(t, lastProblem(""))
}
