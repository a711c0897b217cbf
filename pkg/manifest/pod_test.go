package manifest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecodePod(t *testing.T) {
	pod, err := DecodePod([]byte(`{"metadata":{"name":"p","futureField":1},"spec":{"RestartPolicy":"Never","containers":[
		{"name":"a","command":["x"],"restartPolicy":"Never","lifecycle":{"preStop":{"exec":{"command":["bye"]}}},"future":{"a":[1]}}]}}`))
	require.NoError(t, err)
	require.Equal(t, "p", pod.Metadata.Name)
	require.Empty(t, pod.Spec.RestartPolicy, "names of fields are case-sensitive")
	require.EqualValues(t, "Always", pod.Spec.Policy())
	require.Equal(t, []string{"bye"}, pod.Spec.Containers[0].PreStopExec())
	require.EqualValues(t, "Never", *pod.Spec.Containers[0].RestartPolicy)

	_, err = DecodePod([]byte(`{"metadata":{}}`))
	require.EqualError(t, err, "decode pod: has no metadata or no spec")
	_, err = DecodePod([]byte(`{"metadata":{},"spec":{"containers":{}}}`))
	require.ErrorContains(t, err, "spec.containers")
}

func TestHasRules(t *testing.T) {
	for object, want := range map[string]bool{
		`{"metadata":{},"spec":{"containers":[{"name":"a"}],"initContainers":[{"name":"b","restartPolicy":"Always"}]}}`: false,
		`{"metadata":{},"spec":{"containers":[{"name":"a","restartPolicyRules":[]}]}}`:                                  false,
		`{"metadata":{},"spec":{"containers":[{"name":"a","restartPolicy":"Always"}]}}`:                                 true,
		`{"metadata":{},"spec":{"initContainers":[{"name":"b","restartPolicy":"Never"}]}}`:                              true,
		`{"metadata":{},"spec":{"initContainers":[{"name":"b","restartPolicy":"Always","restartPolicyRules":[{}]}]}}`:   true,
		`{"metadata":{"annotations":{"restartrules.dev/rules":"x"}},"spec":{}}`:                                         true,
		`{"metadata":{"annotations":{"restartrules.dev/lifted-rules":"x"}},"spec":{}}`:                                  true,
		`{"metadata":{"annotations":{"restartrules.dev/max-restarts":"3"}},"spec":{}}`:                                  false,
	} {
		pod, err := DecodePod([]byte(object))
		require.NoError(t, err)
		require.Equal(t, want, pod.HasRules(), object)
	}
}

func TestInOurs(t *testing.T) {
	for path, want := range map[string]bool{
		"/restartrules": true, "/restartrules/": true, "/x/../restartrules/attempt": true, "restartrules": true,
		"/restartrules2": false, "/": false, "/data/restartrules": false,
	} {
		require.Equal(t, want, VolumeMount{MountPath: path}.InOurs(), path)
	}
}

func TestEnvVars(t *testing.T) {
	const object = `{"metadata":{"managedFields":[{"manager":"x"}]},"spec":{
		"initContainers":[{"name":"a"},{"name":"b","env":[{"name":"B","value":"2","valueFrom":{}}]}],
		"containers":[{"name":"c","env":[{"name":"C","value":"3\n"},{"name":"D"}]},{"name":"e","env":null}]},"status":{"phase":"Pending"}}`
	pod, err := DecodeChecked([]byte(object))
	require.NoError(t, err)
	require.Empty(t, pod.Spec.InitContainers[0].EnvVars())
	require.Equal(t, []EnvVar{{"B", "2"}}, pod.Spec.InitContainers[1].EnvVars())
	require.Equal(t, []EnvVar{{"C", "3\n"}, {Name: "D"}}, pod.Spec.Containers[0].EnvVars())
	require.Empty(t, pod.Spec.Containers[1].EnvVars())

	template, err := DecodeTemplate([]byte(object))
	require.NoError(t, err)
	require.Equal(t, []EnvVar{{"B", "2"}}, template.Spec.InitContainers[1].EnvVars())
}

func TestDecodeCheckedErrors(t *testing.T) {
	// What is cut out before decoding doesn't change what is said of the rest.
	for _, object := range []string{
		`{"metadata":{},"spec":{"containers":[{"env":[],"name":5}]}}`, `{"metadata":{},"spec":{"containers":[{"env":[1,]}]}}`, `{"spec":{},"status":{}}`, `{"metadata":{}} x`,
	} {
		_, err := DecodeChecked([]byte(object))
		_, want := DecodePod([]byte(object))
		require.Error(t, err)
		require.Equal(t, want, err, object)
	}
}

func TestDecodePodChecksEnv(t *testing.T) {
	object := []byte(`{"metadata":{},"spec":{"containers":[{"env":[{"name":"a","value":5}]}]}}`)
	_, err := DecodePod(object)
	require.ErrorContains(t, err, "cannot unmarshal number")
	_, err = DecodeChecked(object)
	require.NoError(t, err)
}
