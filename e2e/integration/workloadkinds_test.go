//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/workload"
)

// object is a manifest, or what is stored.
type object = map[string]any

// workloadKind is a kind of workload, and what is around its Pod template.
type workloadKind struct {
	apiVersion, kind string
	// templates is how many Pod templates wrap makes of one.
	templates int
	wrap      func(template object) object
}

func (k workloadKind) String() string { return k.kind }

// resource is the kind's name for kubectl.
func (k workloadKind) resource(t *testing.T) string {
	kind, ok := workload.KindOf(k.apiVersion, k.kind)
	require.True(t, ok)
	return strings.TrimSuffix(kind.Resource+"."+kind.Group, ".")
}

func selecting(template object) object {
	return object{"spec": object{"selector": object{"matchLabels": object{"app": "web"}}, "template": template}}
}

func inSpec(template object) object { return object{"spec": object{"template": template}} }

var workloadKinds = []workloadKind{
	{"apps/v1", "Deployment", 1, selecting},
	{"apps/v1", "StatefulSet", 1, selecting},
	{"apps/v1", "DaemonSet", 1, selecting},
	{"apps/v1", "ReplicaSet", 1, selecting},
	{"v1", "ReplicationController", 1, inSpec},
	{"batch/v1", "Job", 1, inSpec},
	{"batch/v1", "CronJob", 1, func(template object) object {
		return object{"spec": object{"schedule": "0 0 * * *", "jobTemplate": inSpec(template)}}
	}},
	{"v1", "PodTemplate", 1, func(template object) object { return object{"template": template} }},
	{"jobset.x-k8s.io/v1alpha2", "JobSet", 2, func(template object) object {
		return object{"spec": object{"replicatedJobs": []any{
			object{"name": "leader", "template": inSpec(template)},
			object{"name": "workers", "template": inSpec(template)},
		}}}
	}},
	{"leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", 2, func(template object) object {
		return object{"spec": object{"leaderWorkerTemplate": object{"leaderTemplate": template, "workerTemplate": template}}}
	}},
}

// manifest makes a manifest of a workload of such Pods.
func (k workloadKind) manifest(t *testing.T, pod *corev1.Pod) object {
	t.Helper()
	if k.apiVersion == "batch/v1" || k.kind == "JobSet" {
		pod.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	}
	withLabel("app", "web")(pod)
	var template object
	require.NoError(t, json.Unmarshal(asJSON(t, corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels, Annotations: pod.Annotations}, Spec: pod.Spec,
	}), &template))
	delete(template["metadata"].(object), "creationTimestamp")
	for _, c := range template["spec"].(object)["containers"].([]any) {
		delete(c.(object), "resources")
	}
	o := k.wrap(template)
	o["apiVersion"], o["kind"] = k.apiVersion, k.kind
	o["metadata"] = object{"name": "web", "namespace": pod.Namespace}
	return o
}

// live is what is stored of the kind.
func (k workloadKind) live(t *testing.T, namespace string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(k.apiVersion)
	o.SetKind(k.kind)
	require.NoError(t, s.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "web"}, o))
	return o
}

// templates are the Pod templates of an object. None has native fields.
func (k workloadKind) podTemplates(t *testing.T, o any) (list []corev1.PodTemplateSpec) {
	t.Helper()
	kind, ok := workload.KindOf(k.apiVersion, k.kind)
	require.True(t, ok)
	templates, err := workload.Templates(asJSON(t, o), kind)
	require.NoError(t, err)
	require.Len(t, templates, k.templates)
	for _, template := range templates {
		var decoded corev1.PodTemplateSpec
		require.NoError(t, json.Unmarshal(template.JSON, &decoded))
		require.False(t, usesRules(&corev1.Pod{Spec: decoded.Spec}))
		list = append(list, decoded)
	}
	return list
}

// effective is what the Pods that a controller makes of a template do on each exit code: the exit
// table of their container, or "" without rules.
func effective(t *testing.T, namespace string, template corev1.PodTemplateSpec) string {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Namespace, pod.Name, pod.GenerateName = namespace, "", "web-"
	require.NoError(t, s.client.Create(t.Context(), pod, client.DryRunAll))
	text, ok := pod.Annotations[api.PlanAnnotation]
	if !ok {
		return ""
	}
	p, err := plan.Decode(text)
	require.NoError(t, err)
	return p.Container("app").OnExit
}

func onExit(code int) string {
	return fmt.Sprintf("0-%d:end,%d:restart/0,%d-255:end", code-1, code, code+1)
}

func mustKubectl(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	out, err := kubectl(stdin, args...)
	require.NoError(t, err, out)
	return out
}

func applying(args ...string) func(t *testing.T, k workloadKind, old, wanted object) string {
	return func(t *testing.T, _ workloadKind, _, wanted object) string {
		t.Helper()
		return mustKubectl(t, asJSON(t, wanted), append([]string{"apply", "-f", "-"}, args...)...)
	}
}

// asController writes the status, and an annotation as the Deployment controller does.
func asController(t *testing.T, k workloadKind, namespace string) {
	t.Helper()
	o := k.live(t, namespace)
	require.NoError(t, unstructured.SetNestedField(o.Object, o.GetGeneration(), "status", "observedGeneration"))
	require.NoError(t, s.client.Status().Update(t.Context(), o, client.FieldOwner("kube-controller-manager")))
}

// withoutLimit is an exit table without limits of restarts.
func withoutLimit(table string) string {
	before, _, _ := strings.Cut(table, "*")
	return before
}
