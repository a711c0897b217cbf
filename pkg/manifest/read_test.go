package manifest

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// whole is a Pod with every field that we read.
const whole = `{"metadata":{"name":"p","generateName":"p-","namespace":"n","labels":{"a":"b"},"annotations":{"c":"d\n","e":"<é>"},"managedFields":[{"manager":"x"}],"uid":"u"},
"spec":{"restartPolicy":"Never","os":{"name":"linux"},"hostPID":true,"hostNetwork":true,"shareProcessNamespace":true,"nodeSelector":{"f":"g"},"securityContext":{"runAsUser":7,"fsGroup":8},
"terminationGracePeriodSeconds":30,"resources":{"limits":{"cpu":"1"},"requests":{"memory":"16Mi","cpu":2},"claims":[{"name":"gpu","request":"r"}]},"volumes":[{"name":"v","emptyDir":{}}],
"imagePullSecrets":[{"name":"s"}],"initContainers":[` + wholeContainer + `],"containers":[` + wholeContainer + `,{}],"ephemeralContainers":[` + wholeContainer + `],"tolerations":[{"key":"k"}]},"status":{"phase":"Pending"}}`

const wholeContainer = `{"name":"a","image":"i","command":["x","y"],"args":["z"],"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[0,42,-1]}},{}],
"resources":{"limits":{"cpu":"100m","example.com/gpu":"1"},"requests":{},"claims":[{"name":"gpu"}]},"resizePolicy":[{"resourceName":"cpu","restartPolicy":"NotRequired"}],
"lifecycle":{"preStop":{"exec":{"command":["bye"]}},"postStart":{"httpGet":{"port":"http"}}},"env":[{"name":"E","value":"1"}],"ports":[{"name":"http","containerPort":80,"protocol":"TCP"}],
"livenessProbe":{"exec":{"command":["l"]}},"readinessProbe":{"grpc":{"port": 1}},"startupProbe":{"tcpSocket":{"port":2}},
"volumeMounts":[{"name":"v","mountPath":"/v","subPath":"s","readOnly":true}],"terminationMessagePath":"/t","tty":true}`

func TestReadPodReadsEverything(t *testing.T) {
	pod, ok := readPod([]byte(whole))
	require.True(t, ok)
	requireSame(t, pod, whole)
	requireFilled(t, reflect.ValueOf(pod.Metadata), "metadata")
	requireFilled(t, reflect.ValueOf(pod.Spec), "spec")
}

// requireFilled requires that no field is empty: a field that is new has to be read, too.
func requireFilled(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	require.False(t, v.IsZero(), path)
	switch {
	case v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct && readByHand(v.Elem().Type()):
		requireFilled(t, v.Elem(), path)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && readByHand(v.Type().Elem()):
		requireFilled(t, v.Index(0), path)
	case v.Kind() == reflect.Struct && readByHand(v.Type()):
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "Env" {
				requireFilled(t, v.Field(i), path+"."+f.Name)
			}
		}
	}
}

// readByHand are our types, and those of Kubernetes that are not left to a decoder.
func readByHand(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[corev1.ContainerRestartRule](), reflect.TypeFor[corev1.ContainerRestartRuleOnExitCodes](), reflect.TypeFor[corev1.ResourceRequirements]():
		return true
	}
	return t.PkgPath() == reflect.TypeFor[Pod]().PkgPath()
}

// requireSame requires that the Pod is what decode makes of the object, but for its environment variables.
func requireSame(t *testing.T, pod *Pod, object string) {
	t.Helper()
	want, err := decode([]byte(object), true)
	require.NoError(t, err, object)
	for _, lists := range [][2][]Container{{want.Spec.InitContainers, pod.Spec.InitContainers}, {want.Spec.Containers, pod.Spec.Containers},
		{want.Spec.EphemeralContainers, pod.Spec.EphemeralContainers}} {
		require.Len(t, lists[1], len(lists[0]), object)
		for i := range lists[0] {
			lists[0][i].Env, lists[1][i].env = nil, nil
		}
	}
	require.Equal(t, want, pod, object)
}

func TestReadPodLeavesToTheDecoder(t *testing.T) {
	for name, object := range map[string]string{
		"a field twice":       `{"metadata":{"name":"a"},"spec":{},"metadata":{}}`,
		"a container's twice": `{"metadata":{},"spec":{"containers":[{"command":["x"],"command":null}]}}`,
		"no metadata":         `{"spec":{}}`,
		"metadata null":       `{"metadata":null,"spec":{}}`,
		"no spec":             `{"metadata":{}}`,
		"another type":        `{"metadata":{},"spec":{"containers":[{"lifecycle":{"preStop":5}}]}}`,
		"no quantity":         `{"metadata":{},"spec":{"containers":[{"resources":{"limits":{"cpu":"much"}}}]}}`,
		"key with an escape":  `{"metadata":{},"spec":{"\u0063ontainers":[]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, ok := readPod([]byte(object))
			require.False(t, ok)
			got, err := DecodeChecked([]byte(object))
			want, wantErr := DecodePod([]byte(object))
			require.Equal(t, wantErr, err)
			require.Equal(t, want, got)
		})
	}
}

// FuzzReadPod reads what is decoded.
func FuzzReadPod(f *testing.F) {
	for _, seed := range []string{whole, `{"metadata":{},"spec":{}}`, `{"metadata":{"labels":{},"annotations":null},"spec":{"volumes":[],"containers":[null],"initContainers":null,"nodeSelector":{}}}`,
		`{"metadata":{"Name":"a"},"spec":{"securityContext":{},"containers":[{"command":[],"args":[null],"restartPolicy":null,"restartPolicyRules":[],"resources":null,"ports":[{}],"livenessProbe":null}]}}`,
		`{"metadata":{},"spec":{"containers":[{"name":"\ud800","image":"` + "\xff" + `","resources":{"limits":{"cpu":null}},"restartPolicyRules":[{"exitCodes":{"values":[1e2]}}]}]}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, object string) {
		pod, ok := readPod([]byte(object))
		if !ok {
			return
		}
		if _, err := DecodePod([]byte(object)); err != nil {
			require.ErrorContains(t, err, "env", object) // these are not looked at
			return
		}
		requireSame(t, pod, object)
	})
}
