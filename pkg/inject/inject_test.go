package inject

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

func TestUnknownFieldsSurvive(t *testing.T) {
	data := edit(t, object(t, trainer), func(pod map[string]any) {
		pod["future"] = map[string]any{"a": 1}
		pod["metadata"].(map[string]any)["future"] = []any{"b"}
		spec(pod)["future"] = "c"
		container(pod, "containers", 0)["future"] = true
		container(pod, "containers", 0)["volumeMounts"] = []any{map[string]any{"name": "x", "mountPath": "/x", "future": 1.5}}
		spec(pod)["volumes"] = []any{map[string]any{"name": "x", "future": nil}}
		spec(pod)["initContainers"] = []any{map[string]any{"name": "i", "future": map[string]any{}}}
	})
	// Taking out what was added and putting back what was changed must give the same object.
	restored := edit(t, created(t, data), func(pod map[string]any) {
		delete(pod["metadata"].(map[string]any), "labels")
		delete(pod["metadata"].(map[string]any), "annotations")
		s := spec(pod)
		delete(s, "shareProcessNamespace")
		s["volumes"] = s["volumes"].([]any)[:1]
		s["initContainers"] = s["initContainers"].([]any)[1:]
		c := container(pod, "containers", 0)
		c["volumeMounts"] = c["volumeMounts"].([]any)[:1]
		c["command"] = c["command"].([]any)[5:]
		c["restartPolicy"] = "Never"
		c["restartPolicyRules"] = []any{map[string]any{"action": "Restart", "exitCodes": map[string]any{"operator": "In", "values": []any{42}}}}
	})
	require.JSONEq(t, string(data), string(restored))
}

func TestPodsWithoutRulesAreLeftAlone(t *testing.T) {
	for _, data := range []string{
		`{"metadata":{},"spec":{}}`,
		`{"metadata":{},"spec":{"containers":[{"name":"a"}],"initContainers":[{"name":"s","restartPolicy":"Always"}]}}`,
		`{"metadata":{"annotations":{"restartrules.dev/seam":"nonsense"}},"spec":{"containers":[{"name":"a","restartPolicyRules":[]}]}}`,
	} {
		result, err := Create([]byte(data), testOptions)
		require.NoError(t, err)
		require.Zero(t, result)
	}
}

func TestCreateWithoutPod(t *testing.T) {
	for _, data := range []string{``, `{}`, `[]`, `{"metadata":{},"spec":{"containers":3}}`} {
		_, err := Create([]byte(data), testOptions)
		require.ErrorContains(t, err, "decode pod: ")
	}
}

func TestPlanOfAUserIsNotBelieved(t *testing.T) {
	const bogus = `{"version":1,"restartPolicy":{"own":"Always","compiled":"Never"},"containers":[{"name":"trainer","kind":"container","wrapped":true,"onExit":"0-255:end"}]}`
	withPlan := func(pod map[string]any) {
		pod["metadata"].(map[string]any)["annotations"] = map[string]any{api.PlanAnnotation: bogus}
	}
	plain := typed(t, created(t, object(t, trainer)))
	got := typed(t, created(t, edit(t, object(t, trainer), withPlan)))
	require.Equal(t, plain.Annotations[api.PlanAnnotation], got.Annotations[api.PlanAnnotation])
	require.Equal(t, plain.Spec, got.Spec)

	noRules := edit(t, object(t, `{"metadata":{},"spec":{"containers":[{"name":"trainer"}]}}`), withPlan)
	require.Empty(t, typed(t, created(t, noRules)).Annotations)
}

func TestWatcherPassesRestricted(t *testing.T) {
	w := typed(t, created(t, object(t, trainer))).Spec.InitContainers[0]
	require.Equal(t, api.WatcherContainer, w.Name)
	c := w.SecurityContext
	require.True(t, *c.RunAsNonRoot)
	require.NotZero(t, *c.RunAsUser)
	require.False(t, *c.AllowPrivilegeEscalation)
	require.Equal(t, []corev1.Capability{"ALL"}, c.Capabilities.Drop)
	require.Empty(t, c.Capabilities.Add)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, c.SeccompProfile.Type)
}

func TestShareProcessNamespace(t *testing.T) {
	yes, no := true, false
	for name, tc := range map[string]struct {
		fields, annotation string
		option             bool
		want               *bool
	}{
		"default on":             {"{}", "", true, &yes},
		"default off":            {"{}", "", false, nil},
		"annotation on":          {"{}", "true", false, &yes},
		"annotation off":         {"{}", "false", true, nil},
		"Pod says no":            {`{"shareProcessNamespace":false}`, "true", true, &no},
		"Pod says yes":           {`{"shareProcessNamespace":true}`, "false", false, &yes},
		"hostPID":                {`{"hostPID":true}`, "true", true, nil},
		"another host namespace": {`{"hostNetwork":true}`, "", true, &yes},
	} {
		t.Run(name, func(t *testing.T) {
			data := edit(t, object(t, trainer), func(pod map[string]any) {
				var fields map[string]any
				require.NoError(t, json.Unmarshal([]byte(tc.fields), &fields))
				for k, v := range fields {
					spec(pod)[k] = v
				}
				if tc.annotation != "" {
					pod["metadata"].(map[string]any)["annotations"] = map[string]any{api.ShareProcessNamespaceAnnotation: tc.annotation}
				}
			})
			opts := testOptions
			opts.ShareProcessNamespace = tc.option
			result, err := Create(data, opts)
			require.NoError(t, err)
			require.Equal(t, tc.want, typed(t, apply(t, data, result.Patch)).Spec.ShareProcessNamespace)
		})
	}
}

func TestWarningsAreShort(t *testing.T) {
	long := make([]byte, 63)
	for i := range long {
		long[i] = 'a'
	}
	data := edit(t, object(t, `
metadata: {}
spec:
  restartPolicy: Always
  containers:
  - {name: a, command: [x], restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1, 3, 5, 7, 9]}}], lifecycle: {preStop: {httpGet: {}}}, livenessProbe: {httpGet: {port: 1}}}
`), func(pod map[string]any) { container(pod, "containers", 0)["name"] = string(long) })
	result, err := Create(data, testOptions)
	require.NoError(t, err)
	require.Len(t, result.Warnings, 3)
	for _, w := range result.Warnings {
		require.Less(t, len(w), 256)
		require.NotContains(t, w, "...")
	}
}

func TestPlanTooLong(t *testing.T) {
	values := make([]int, 255)
	data := edit(t, object(t, trainer), func(pod map[string]any) {
		var containers []any
		for i := range 20 {
			var rules []any
			for range 20 {
				rules = append(rules, map[string]any{"action": "Restart", "exitCodes": map[string]any{"operator": "In", "values": values}})
			}
			containers = append(containers, map[string]any{"name": "c" + string(rune('a'+i)), "command": []any{"x"}, "restartPolicy": "Never", "restartPolicyRules": rules})
		}
		spec(pod)["containers"] = containers
	})
	result, err := Create(data, testOptions)
	require.NoError(t, err)
	require.Empty(t, result.Patch)
	require.Len(t, result.Errors, 1)
	require.ErrorContains(t, result.Errors[0], "at most 122880 can be passed on")
}

func TestTruncate(t *testing.T) {
	require.Equal(t, "short", truncate("short"))
	long := truncate("x" + strings.Repeat("é", maxWarning))
	require.LessOrEqual(t, len(long), maxWarning)
	require.True(t, utf8.ValidString(long))
}
