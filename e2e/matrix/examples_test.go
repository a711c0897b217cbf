//go:build e2e

package matrix

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"restartrules.dev/pkg/api"
)

// exampleScenarios are the objects in examples/, and how they end.
var exampleScenarios = []scenario{
	{name: "retriable-exit-code", phase: succeeded, starts: map[string]int{"trainer": 3}},
	{name: "init-one-try", phase: running, starts: map[string]int{"migration": 1, "server": 2}, endless: []string{"server"}},
	{name: "init-one-try-fails", phase: failed, starts: map[string]int{"migration": 1, "server": 0}},
	{name: "two-policies", phase: running, starts: map[string]int{"worker": 2, "shipper": 2}, endless: []string{"shipper"}},
	{name: "training-job", phase: succeeded, starts: map[string]int{"trainer": 3}},
	{name: "training-job-fatal", phase: failed, starts: map[string]int{"trainer": 2}},
}

// examples are the scenarios of examples/. There must be one for each object there.
func examples(t *testing.T) []scenario {
	t.Helper()
	objects := exampleObjects(t)
	delete(objects, "restart-all") // e2e/restartall runs it: a kubelet of 1.35 stalls where nothing in a Pod is left to run
	require.Len(t, objects, len(exampleScenarios), "the objects of examples/ and their scenarios")
	var all []scenario
	for _, s := range exampleScenarios {
		text := objects[s.name]
		require.NotNil(t, text, "examples/ has no %s", s.name)
		s.object = func(t *testing.T, native bool, dir string) runtime.Object { return exampleFor(t, text, native, dir) }
		s.name = "examples: " + s.name
		all = append(all, s)
	}
	return all
}

// exampleObjects are the objects of examples/ by name.
func exampleObjects(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "examples", "*.yaml"))
	require.NoError(t, err)
	objects := map[string][]byte{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
		for {
			var raw runtime.RawExtension
			if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err, file)
			}
			var named struct{ Metadata struct{ Name string } }
			require.NoError(t, yaml.Unmarshal(raw.Raw, &named), file)
			objects[named.Metadata.Name] = raw.Raw
		}
	}
	return objects
}

// exampleFor is the example with a record. For a cluster that has restart rules what its annotation says is
// put into the native fields, as far as they can say it.
func exampleFor(t *testing.T, text []byte, native bool, dir string) runtime.Object {
	var kind struct{ Kind string }
	require.NoError(t, yaml.Unmarshal(text, &kind))
	if kind.Kind == "Job" {
		var job batchv1.Job
		require.NoError(t, yaml.UnmarshalStrict(text, &job))
		recordExample(t, &job.Spec.Template.Spec, job.Spec.Template.Annotations, native, dir)
		return &job
	}
	var pod corev1.Pod
	require.NoError(t, yaml.UnmarshalStrict(text, &pod))
	recordExample(t, &pod.Spec, pod.Annotations, native, dir)
	return &pod
}

// recorder writes down what the test application does, around another command.
const recorder = `echo '{"event":"start"}' >> "$0"; "$@"; code=$?; echo "{\"event\":\"end\",\"code\":$code}" >> "$0"; exit $code`

func recordExample(t *testing.T, spec *corev1.PodSpec, annotations map[string]string, native bool, dir string) {
	spec.Volumes = append(spec.Volumes, recordsVolume(dir))
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			c := &containers[i]
			c.ImagePullPolicy = corev1.PullIfNotPresent
			c.VolumeMounts = append(c.VolumeMounts, recordsMount)
			c.Command = append([]string{"sh", "-c", recorder, recordOf(c.Name)}, c.Command...)
		}
	}
	if !native {
		return
	}
	var document struct {
		Containers map[string]struct {
			RestartPolicy      *corev1.ContainerRestartPolicy
			RestartPolicyRules []corev1.ContainerRestartRule
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(annotations[api.RulesAnnotation]), &document))
	for i := range spec.Containers {
		c := &spec.Containers[i]
		if said := document.Containers[c.Name]; said.RestartPolicy != nil {
			c.RestartPolicy, c.RestartPolicyRules = said.RestartPolicy, said.RestartPolicyRules
		}
	}
}
