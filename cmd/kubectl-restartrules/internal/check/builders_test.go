package check

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/certs/selfsigned"
	"restartrules.dev/cmd/kubectl-restartrules/internal/source"
	"restartrules.dev/manifests"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/inject"
)

var now = time.Date(2026, time.November, 23, 3, 0, 0, 0, time.UTC)

const serviceName = WebhookName + "." + SystemNamespace + ".svc"

// healthy is a cluster in which nothing is wrong: a namespace that opted in with a Pod that is heard of, one that did
// not, and one node.
func healthy(t *testing.T) *Cluster {
	t.Helper()
	mutating, validating, err := manifests.Configurations()
	require.NoError(t, err)
	c := &Cluster{
		Now: now, Version: "v1.35.4", Configured: true, Mutating: mutating, Validating: validating,
		Namespaces:     []corev1.Namespace{namespace("default", ""), namespace("kube-system", ""), namespace("research", api.InjectEnabled)},
		Deployment:     &appsv1.Deployment{},
		EndpointsKnown: true,
		Endpoints:      []discoveryv1.EndpointSlice{{Endpoints: []discoveryv1.Endpoint{{Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}}}},
		Nodes:          []corev1.Node{node("a", "v1.35.4")},
		Native:         &compile.Features{Restart: true},
	}
	serve(t, c, now.Add(-100*24*time.Hour), 365*24*time.Hour)
	c.Pods = []corev1.Pod{*injectedPod(t, "research", "trainer")}
	c.Users = []User{
		{Kind: "Pod", Namespace: "research", Name: "trainer", Annotated: true, Injected: true},
		{Kind: "Deployment", Namespace: "default", Name: "out", Annotated: true, Label: api.InjectDisabled},
		{Kind: "Job", Namespace: "default", Name: "native", Native: true},
	}
	c.Probes = []Probe{podProbe(t, "research"), {Webhook: forWorkloads, Kind: "Deployment", Namespace: "research", Answer: json.RawMessage("{}")}}
	return c
}

func namespace(name, label string) corev1.Namespace {
	n := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if label != "" {
		n.Labels = map[string]string{api.InjectLabel: label}
	}
	return n
}

func node(name, kubelet string) corev1.Node {
	return corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{KubeletVersion: kubelet}}}
}

// serve gives the cluster a certificate that it trusts.
func serve(t *testing.T, c *Cluster, from time.Time, lifetime time.Duration) {
	t.Helper()
	issued, err := selfsigned.Issue([]string{serviceName}, from, lifetime)
	require.NoError(t, err)
	c.Certificate = &Certificate{PEM: issued.Cert, Secret: SecretName}
	trust(c, issued.CA)
}

func trust(c *Cluster, ca []byte) {
	for i := range c.Mutating.Webhooks {
		c.Mutating.Webhooks[i].ClientConfig.CABundle = ca
	}
	for i := range c.Validating.Webhooks {
		c.Validating.Webhooks[i].ClientConfig.CABundle = ca
	}
}

// wholePod are rules of a Pod that reports at once.
const wholePod = `{"containers":{"app":{"restartPolicy":"Never","restartPolicyRules":[{"action":"RestartAllContainers","exitCodes":{"operator":"In","values":[88]}}]}}}`

// injectedPod is a Pod as our webhook makes it, that runs for an hour and is heard of.
func injectedPod(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	plain, err := json.Marshal(&corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{api.RulesAnnotation: wholePod}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app", Command: []string{"app"}}}}})
	require.NoError(t, err)
	result, err := inject.Create(plain, inject.Options{Image: "registry.example.com/watcher:v1", ReadinessPort: inject.DefaultReadinessPort,
		ReportURL: "https://" + serviceName + "/report"})
	require.NoError(t, err)
	require.Empty(t, result.Errors)
	text, err := source.Apply(plain, result.Patch)
	require.NoError(t, err)
	pod := new(corev1.Pod)
	require.NoError(t, json.Unmarshal(text, pod))
	pod.Annotations[api.StatusAnnotation] = `{"version":1}`
	pod.Status.Phase = corev1.PodRunning
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: api.WatcherContainer,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-time.Hour))}}}}
	return pod
}

// podProbe is a dry run that went as it should.
func podProbe(t *testing.T, namespace string) Probe {
	t.Helper()
	answer, err := json.Marshal(injectedPod(t, namespace, "probe"))
	require.NoError(t, err)
	return Probe{Webhook: forNamespaces, Kind: "Pod", Namespace: namespace, Answer: answer}
}

// changed is the answer of a probe with the Pod changed.
func (p *Probe) changed(t *testing.T, change func(*corev1.Pod)) {
	t.Helper()
	pod := new(corev1.Pod)
	require.NoError(t, json.Unmarshal(p.Answer, pod))
	change(pod)
	var err error
	p.Answer, err = json.Marshal(pod)
	require.NoError(t, err)
}

// refuse has the API server say that it could not ask the webhook.
func (p *Probe) refuse(message string) {
	p.Answer, p.Refusal = nil, &metav1.Status{Reason: metav1.StatusReasonInternalError, Message: message}
}

// another is a mutating webhook of somebody else that is asked about all Pods.
func another(name string) admissionregistrationv1.MutatingWebhookConfiguration {
	return admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: name + ".example.com",
			NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{},
			Rules: []admissionregistrationv1.RuleWithOperations{{Operations: []admissionregistrationv1.OperationType{"*"},
				Rule: admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"pods"}}}}}}}
}

func waits(pod *corev1.Pod, reason, message string) {
	pod.Status.InitContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	delete(pod.Annotations, api.StatusAnnotation)
}
