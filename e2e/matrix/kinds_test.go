//go:build e2e

package matrix

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
)

// object is a Kubernetes object, or a part of one.
type object = map[string]any

// kind is a kind that carries a Pod template. Pod is its own.
type kind struct {
	name, apiVersion string
	// template is the path of the Pod template in an error, empty for a Pod.
	template string
	// always is for kinds whose Pods have restartPolicy Always.
	always bool
	// spec is what is around the template: the fields of the object but apiVersion, kind and metadata.
	spec func(template object) object
	// play does what makes a Pod of the object where no controller in the cluster does.
	play func(t *testing.T, c *testCluster, namespace string)
	// custom is for kinds that a CustomResourceDefinition brings.
	custom bool
}

// cell is the name of every object of the matrix.
const cell = "cell"

var selector = object{"matchLabels": object{"app": cell}}

var kinds = []kind{
	{name: "Pod", apiVersion: "v1", spec: func(template object) object { return object{"spec": template["spec"]} }},
	{name: "Deployment", apiVersion: "apps/v1", template: "spec.template", always: true, spec: func(template object) object {
		return object{"spec": object{"selector": selector, "template": template}}
	}},
	{name: "StatefulSet", apiVersion: "apps/v1", template: "spec.template", always: true, spec: func(template object) object {
		return object{"spec": object{"selector": selector, "serviceName": cell, "template": template}}
	}},
	{name: "DaemonSet", apiVersion: "apps/v1", template: "spec.template", always: true, spec: func(template object) object {
		return object{"spec": object{"selector": selector, "template": template}}
	}},
	{name: "ReplicaSet", apiVersion: "apps/v1", template: "spec.template", always: true, spec: func(template object) object {
		return object{"spec": object{"selector": selector, "template": template}}
	}},
	{name: "ReplicationController", apiVersion: "v1", template: "spec.template", always: true, spec: func(template object) object {
		return object{"spec": object{"selector": selector["matchLabels"], "template": template}}
	}},
	{name: "Job", apiVersion: "batch/v1", template: "spec.template", spec: func(template object) object {
		return object{"spec": jobSpec(template)}
	}},
	{name: "CronJob", apiVersion: "batch/v1", template: "spec.jobTemplate.spec.template", spec: func(template object) object {
		return object{"spec": object{"schedule": "0 0 1 1 *", "jobTemplate": object{"spec": jobSpec(template)}}}
	}, play: func(t *testing.T, c *testCluster, namespace string) {
		c.mustKubectl(t, "", "create", "job", "-n", namespace, "--from=cronjob/"+cell, cell)
	}},
	{name: "PodTemplate", apiVersion: "v1", template: "template", spec: func(template object) object {
		return object{"template": template}
	}, play: playing("podtemplate", "v1", "Pod", "template")},
	{name: "JobSet", apiVersion: "jobset.x-k8s.io/v1alpha2", template: "spec.replicatedJobs[0].template.spec.template",
		custom: true, spec: func(template object) object {
			// With the defaults of the schema: without them every apply of a JobSet is a change to kubectl.
			return object{"spec": object{"replicatedJobs": []any{object{"name": "workers", "groupName": "default", "replicas": 1,
				"template": object{"spec": jobSpec(template)}}}}}
		}, play: playing("jobset", "batch/v1", "Job", "spec", "replicatedJobs", "0", "template")},
	{name: "LeaderWorkerSet", apiVersion: "leaderworkerset.x-k8s.io/v1", template: "spec.leaderWorkerTemplate.workerTemplate", always: true,
		custom: true, spec: func(template object) object {
			return object{"spec": object{"leaderWorkerTemplate": object{"workerTemplate": template}}}
		}, play: func(t *testing.T, c *testCluster, namespace string) {
			template := c.stored(t, namespace, "leaderworkerset", "spec", "leaderWorkerTemplate", "workerTemplate")
			c.create(t, namespace, object{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": object{"name": cell},
				"spec": object{"selector": selector, "serviceName": cell, "template": template}})
		}},
}

func jobSpec(template object) object { return object{"backoffLimit": 0, "template": template} }

// playing creates an object from the template that the API server has stored, as the kind's controller would.
func playing(resource, apiVersion, kind string, path ...string) func(*testing.T, *testCluster, string) {
	return func(t *testing.T, c *testCluster, namespace string) {
		made := c.stored(t, namespace, resource, path...)
		made["apiVersion"], made["kind"] = apiVersion, kind
		metadata, _ := made["metadata"].(object)
		if metadata == nil {
			metadata = object{}
		}
		metadata["name"] = cell
		made["metadata"] = metadata
		c.create(t, namespace, made)
	}
}

// stored is a part of the cell's object, as the API server has it.
func (c *testCluster) stored(t *testing.T, namespace, resource string, path ...string) object {
	t.Helper()
	stdout := c.mustKubectl(t, "", "get", resource, cell, "-n", namespace, "-o", "json")
	var at any
	require.NoError(t, json.Unmarshal([]byte(stdout), &at))
	for _, key := range path {
		if list, ok := at.([]any); ok {
			require.Equal(t, "0", key)
			at = list[0]
			continue
		}
		at = at.(object)[key]
	}
	return at.(object)
}

// create creates an object as a controller does, for which an unknown field is no reason to give up.
func (c *testCluster) create(t *testing.T, namespace string, o object) {
	t.Helper()
	c.mustKubectl(t, text(t, o), "create", "--validate=warn", "-n", namespace, "-f", "-")
}

func (c *testCluster) mustKubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, err := c.kubectl(t, stdin, args...)
	require.NoError(t, err, "kubectl %s: %s", strings.Join(args, " "), stderr)
	return stdout
}

// manifest is the object of this kind with this Pod template.
func (k kind) manifest(template object) object {
	o := k.spec(template)
	metadata := object{"name": cell}
	if k.template == "" {
		metadata = template["metadata"].(object)
		metadata["name"] = cell
	}
	o["apiVersion"], o["kind"], o["metadata"] = k.apiVersion, k.name, metadata
	return o
}

// in is the path of something in the Pod template.
func (k kind) in(path string) string { return strings.TrimPrefix(k.template+"."+path, ".") }

// text is the object as JSON, which is YAML too.
func text(t *testing.T, o object) string {
	t.Helper()
	b, err := json.Marshal(o)
	require.NoError(t, err)
	return string(b)
}

// carrier is how rules get into a Pod template.
type carrier struct {
	name string
	// put sets the policy and the rules of the container app; policy may be nil.
	put func(t *testing.T, template object, policy any, rules []any)
	// at is the path of the container in the template's errors.
	at string
}

var carriers = []carrier{
	{name: "native", at: "spec.containers[0]", put: func(t *testing.T, template object, policy any, rules []any) {
		app := template["spec"].(object)["containers"].([]any)[0].(object)
		app["restartPolicyRules"] = rules
		if policy != nil {
			app["restartPolicy"] = policy
		}
	}},
	{name: "annotation", at: "metadata.annotations[" + api.RulesAnnotation + "].containers[app]", put: func(t *testing.T, template object, policy any, rules []any) {
		app := object{"restartPolicyRules": rules}
		if policy != nil {
			app["restartPolicy"] = policy
		}
		template["metadata"].(object)["annotations"] = object{api.RulesAnnotation: text(t, object{"containers": object{"app": app}})}
	}},
}

var restartOn42 = []any{object{"action": "Restart", "exitCodes": object{"operator": "In", "values": []int{42}}}}

// podTemplate has the container app, which waits for the file go beside its record, and then exits with 42, with 7 the
// next time. Where the Pods' policy is Always there is a second container, so that the Pod goes on without app.
func podTemplate(dir string, always bool) object {
	app := object{
		"name": "app", "image": appImage, "imagePullPolicy": "IfNotPresent",
		"command":      []string{"sh", "-c", "until [ -e /records/go ]; do sleep 0.2; done; exec /app -record=/records/$(POD) -run=100ms -exit=42,7"},
		"env":          []any{object{"name": "POD", "valueFrom": object{"fieldRef": object{"fieldPath": "metadata.uid"}}}},
		"volumeMounts": []any{object{"name": recordsMount.Name, "mountPath": recordsMount.MountPath}},
	}
	spec := object{
		"restartPolicy": "Never", "terminationGracePeriodSeconds": 2,
		"containers": []any{app},
		"volumes":    []any{object{"name": recordsMount.Name, "hostPath": object{"path": dir, "type": "DirectoryOrCreate"}}},
	}
	if always {
		spec["restartPolicy"] = "Always"
		spec["containers"] = []any{app, object{"name": "other", "image": appImage, "imagePullPolicy": "IfNotPresent", "command": []string{"/app"}}}
	}
	return object{"metadata": object{"labels": object{"app": cell}}, "spec": spec}
}
