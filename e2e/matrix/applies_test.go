//go:build e2e

package matrix

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

// idle is a template whose Pods find no node: what a controller makes of it is there, and costs nothing.
func idle(t *testing.T, k kind, carrier carrier, dir string) string {
	template := podTemplate(dir, k.always)
	template["spec"].(object)["nodeSelector"] = object{"example.com/node": "none"}
	carrier.put(t, template, "Never", restartOn42)
	return text(t, k.manifest(template))
}

// TestASecondApplyChangesNothing applies the annotation twice: kubectl itself says that nothing has changed.
func TestASecondApplyChangesNothing(t *testing.T) {
	c := gatesOff(t)
	c.installCRDs(t)
	for _, k := range workloads() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			namespace, dir := c.NewNamespace(t, testcluster.OptedIn)
			manifest := idle(t, k, carriers[1], dir)
			require.Contains(t, c.mustKubectl(t, manifest, "apply", "-n", namespace, "-f", "-"), "/"+cell+" created")
			for range 2 {
				stdout, stderr, err := c.kubectl(t, manifest, "apply", "-n", namespace, "-f", "-")
				require.NoError(t, err, stderr)
				require.Contains(t, stdout, "/"+cell+" unchanged")
			}
		})
	}
}

// TestTenAppliesChangeNothing applies native fields ten times, which the API server has not kept: kubectl sees a
// difference each time, and what there is stays as it is.
func TestTenAppliesChangeNothing(t *testing.T) {
	c := gatesOff(t)
	c.installCRDs(t)
	for _, k := range workloads() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			namespace, dir := c.NewNamespace(t, testcluster.OptedIn)
			manifest := idle(t, k, carriers[0], dir)
			c.mustKubectl(t, manifest, "apply", "-n", namespace, "-f", "-")
			var first, last state
			eventually(t, "its controller has seen it", func() bool {
				first = c.state(t, k, namespace)
				return first.observed && (k.name != "Deployment" || len(first.replicaSets) == 1) &&
					((k.name != "StatefulSet" && k.name != "DaemonSet") || len(first.revisions) == 1)
			})
			for range 10 {
				c.mustKubectl(t, manifest, "apply", "-n", namespace, "-f", "-")
			}
			eventually(t, "its controller has seen it", func() bool { last = c.state(t, k, namespace); return last.observed })
			require.Equal(t, first, last)
		})
	}
}

// workloads are the kinds with a template, and the Job whose template gets an annotation for its backoffLimit.
func workloads() []kind {
	all := slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return k.name == "Pod" })
	return append(all, kind{name: "Job", apiVersion: "batch/v1", template: "spec.template", spec: func(template object) object {
		template["spec"].(object)["restartPolicy"] = "OnFailure"
		return object{"spec": jobSpec(template)}
	}})
}

// state is what must not change when the same is applied again.
type state struct {
	generation             int64
	observed               bool // by its controller, if it says so
	template               string
	replicaSets, revisions sets.Set[types.UID]
}

func (c *testCluster) state(t *testing.T, k kind, namespace string) state {
	t.Helper()
	var o struct {
		Metadata struct{ Generation int64 }
		Status   struct{ ObservedGeneration *int64 }
	}
	stored := c.mustKubectl(t, "", "get", k.name, cell, "-n", namespace, "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(stored), &o))
	s := state{generation: o.Metadata.Generation, observed: o.Status.ObservedGeneration == nil || *o.Status.ObservedGeneration == o.Metadata.Generation}
	var whole object
	require.NoError(t, json.Unmarshal([]byte(stored), &whole))
	s.template = text(t, object{"spec": whole["spec"], "template": whole["template"]})

	s.replicaSets, s.revisions = sets.New[types.UID](), sets.New[types.UID]()
	for _, r := range c.replicaSets(t, namespace) {
		s.replicaSets.Insert(r.UID)
	}
	revisions, err := c.API.AppsV1().ControllerRevisions(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, r := range revisions.Items {
		s.revisions.Insert(r.UID)
	}
	return s
}

// TestANamespaceIsOptedInLater labels a namespace that already holds a Deployment with native rules, whether or not the
// API server has kept them, and deletes its ReplicaSet. Exactly one new one may come: a Deployment whose
// ReplicaSet is never what it has asked for makes new ones for ever.
func TestANamespaceIsOptedInLater(t *testing.T) {
	t.Run("fields dropped", func(t *testing.T) { optInLater(t, gatesOff(t), false) })
	t.Run("fields kept", func(t *testing.T) {
		optInLater(t, newCluster(t, node.Options{Name: "matrix-gates-on", FeatureGates: allNative}, true), true)
	})
}

func optInLater(t *testing.T, c *testCluster, kept bool) {
	namespace, dir := c.NewNamespace(t, nil)
	template := podTemplate(dir, true)
	carriers[0].put(t, template, "Never", restartOn42)
	deployment := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == "Deployment" })]
	c.mustKubectl(t, text(t, deployment.manifest(template)), "apply", "-n", namespace, "-f", "-")
	before := c.available(t, namespace, 1)
	require.Equal(t, kept, before.Spec.Template.Spec.Containers[0].RestartPolicyRules != nil)
	old := c.onlyReplicaSet(t, namespace)

	c.mustKubectl(t, "", "label", "namespace", namespace, api.InjectLabel+"="+api.InjectEnabled)
	c.mustKubectl(t, "", "delete", "replicaset", old.Name, "-n", namespace)
	eventually(t, "a new ReplicaSet is there", func() bool {
		all := c.replicaSets(t, namespace)
		return len(all) > 0 && all[0].UID != old.UID
	})
	c.available(t, namespace, 1)
	fresh := c.onlyReplicaSet(t, namespace)
	// The controller looks again, and finds its ReplicaSet.
	for replicas := 2; replicas <= 3; replicas++ {
		c.mustKubectl(t, "", "scale", "deployment", cell, "-n", namespace, fmt.Sprintf("--replicas=%d", replicas))
		c.available(t, namespace, int32(replicas))
		require.Equal(t, fresh.UID, c.onlyReplicaSet(t, namespace).UID)
	}
	require.Equal(t, kept, fresh.Spec.Template.Spec.Containers[0].RestartPolicyRules != nil, "a ReplicaSet that has an owner is left as it is")
}

// available waits until the Deployment has so many replicas, all of them available.
func (c *testCluster) available(t *testing.T, namespace string, replicas int32) (deployment *appsv1.Deployment) {
	t.Helper()
	eventually(t, "the Deployment is available", func() bool {
		var err error
		deployment, err = c.API.AppsV1().Deployments(namespace).Get(t.Context(), cell, metav1.GetOptions{})
		require.NoError(t, err)
		s := deployment.Status
		return s.ObservedGeneration == deployment.Generation && s.AvailableReplicas == replicas && s.Replicas == replicas && s.UpdatedReplicas == replicas
	})
	return deployment
}

func (c *testCluster) onlyReplicaSet(t *testing.T, namespace string) *appsv1.ReplicaSet {
	t.Helper()
	all := c.replicaSets(t, namespace)
	require.Len(t, all, 1, "ReplicaSets")
	return &all[0]
}

// replicaSets are those that are not being deleted.
func (c *testCluster) replicaSets(t *testing.T, namespace string) []appsv1.ReplicaSet {
	t.Helper()
	list, err := c.API.AppsV1().ReplicaSets(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return slices.DeleteFunc(list.Items, func(r appsv1.ReplicaSet) bool { return r.DeletionTimestamp != nil })
}
