package inject

import (
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/manifest"
)

// defaulted is the Pod with probes as the API server stores them.
func defaulted(t *testing.T) []byte {
	return edit(t, sample(t, "probes"), func(pod map[string]any) {
		c := container(pod, "containers", 0)
		for _, name := range []string{"livenessProbe", "startupProbe"} {
			p := c[name].(map[string]any)
			for field, value := range map[string]any{"timeoutSeconds": 1.0, "periodSeconds": 10.0, "successThreshold": 1.0, "failureThreshold": 3.0} {
				if _, ok := p[field]; !ok {
					p[field] = value
				}
			}
		}
	})
}

func TestUpdateOfMovedProbes(t *testing.T) {
	data := defaulted(t)
	live := created(t, data)
	var manifest map[string]any
	edit(t, data, func(pod map[string]any) { manifest = container(pod, "containers", 0) })
	liveness, startup := manifest["livenessProbe"].(map[string]any), manifest["startupProbe"].(map[string]any)

	for name, tc := range map[string]struct {
		change func(c map[string]any)
		// kept is what the change leaves in the container.
		kept func(c map[string]any)
	}{
		"kubectl apply": {change: func(c map[string]any) {
			c["livenessProbe"] = liveness
			merged := c["startupProbe"].(map[string]any)
			for field, value := range startup {
				merged[field] = value
			}
		}},
		"kubectl apply of a probe with another handler": {change: func(c map[string]any) {
			c["startupProbe"].(map[string]any)["failureThreshold"] = startup["failureThreshold"]
		}},
		"replaced": {change: func(c map[string]any) { c["livenessProbe"], c["startupProbe"] = liveness, startup }},
		"another probe is for the API server to judge": {
			change: func(c map[string]any) { c["livenessProbe"] = map[string]any{"tcpSocket": map[string]any{"port": 1.0}} },
			kept:   func(c map[string]any) { c["livenessProbe"] = map[string]any{"tcpSocket": map[string]any{"port": 1.0}} },
		},
		"another threshold, too": {
			change: func(c map[string]any) { c["startupProbe"].(map[string]any)["failureThreshold"] = 7.0 },
			kept:   func(c map[string]any) { c["startupProbe"].(map[string]any)["failureThreshold"] = 7.0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			request := edit(t, live, func(pod map[string]any) {
				c := container(pod, "containers", 0)
				if tc.change(c); tc.kept == nil {
					c["restartPolicy"], c["restartPolicyRules"] = manifest["restartPolicy"], manifest["restartPolicyRules"]
				}
			})
			result, err := Update(request, live, testOptions)
			require.NoError(t, err)
			require.Empty(t, result.Errors)
			want := live
			if tc.kept != nil {
				want = edit(t, live, func(pod map[string]any) { tc.kept(container(pod, "containers", 0)) })
			}
			require.JSONEq(t, string(want), string(apply(t, request, result.Patch)))
		})
	}
}

func TestUpdateOfWholePod(t *testing.T) {
	data := sample(t, "restart-all-jobset")
	live := created(t, data)
	request := edit(t, live, func(pod map[string]any) {
		edit(t, data, func(wrote map[string]any) {
			for _, list := range []string{"initContainers", "containers"} {
				for field, value := range container(wrote, list, 0) {
					c := container(pod, list, map[string]int{"initContainers": 1}[list])
					if field != "volumeMounts" {
						c[field] = value
					}
				}
			}
		})
	})
	result, err := Update(request, live, testOptions)
	require.NoError(t, err)
	require.Empty(t, result.Errors)
	require.JSONEq(t, string(live), string(apply(t, request, result.Patch)))
}

func TestUpdateOfSidecarsRules(t *testing.T) {
	live := created(t, sample(t, "restart-all-jobset"))
	request := edit(t, live, func(pod map[string]any) {
		container(pod, "initContainers", 1)["restartPolicyRules"] = []any{map[string]any{"action": "RestartAllContainers", "exitCodes": map[string]any{"operator": "In", "values": []any{7}}}}
	})
	result, err := Update(request, live, testOptions)
	require.NoError(t, err)
	require.Len(t, result.Errors, 1)
	require.Equal(t, "spec.initContainers[1].restartPolicyRules", result.Errors[0].Field)
}

func TestUpdateOfImageIsForTheTwinToo(t *testing.T) {
	live := created(t, sample(t, "restart-all"))
	request := edit(t, live, func(pod map[string]any) { container(pod, "initContainers", 1)["image"] = "setup:2" })
	result, err := Update(request, live, testOptions)
	require.NoError(t, err)
	require.Equal(t, "setup:2", typed(t, apply(t, request, result.Patch)).Spec.Containers[2].Image)
}

func TestProbesComeBackWhenNothingRestartsInPlaceAnyMore(t *testing.T) {
	data := edit(t, defaulted(t), func(pod map[string]any) {
		c := container(pod, "containers", 0)
		delete(c, "restartPolicy")
		delete(c, "restartPolicyRules")
		pod["metadata"].(map[string]any)["annotations"] = map[string]any{"restartrules.dev/rules": "containers: {server: {restartPolicy: OnFailure, backoff: none}}"}
	})
	first := created(t, data)
	require.Nil(t, typed(t, first).Spec.Containers[0].LivenessProbe)
	second := edit(t, first, func(pod map[string]any) {
		meta(pod, "annotations")["restartrules.dev/rules"] = "containers: {server: {restartPolicy: Never}}"
	})
	var want, got map[string]any
	edit(t, data, func(pod map[string]any) { want = container(pod, "containers", 0) })
	edit(t, created(t, second), func(pod map[string]any) { got = container(pod, "containers", 0) })
	require.Equal(t, want["livenessProbe"], got["livenessProbe"])
	require.Equal(t, want["startupProbe"], got["startupProbe"])
}

func TestCheckOfMovedProbes(t *testing.T) {
	live := created(t, sample(t, "probes"))
	for path, change := range map[string]func(c map[string]any){
		"spec.containers[0].livenessProbe": func(c map[string]any) { c["livenessProbe"] = map[string]any{} },
		"spec.containers[0].startupProbe":  func(c map[string]any) { delete(c, "startupProbe") },
	} {
		errs, err := Check(edit(t, live, func(pod map[string]any) { change(container(pod, "containers", 0)) }))
		require.NoError(t, err)
		require.Len(t, errs, 1)
		require.Equal(t, path, errs[0].Field)
	}
}

// TestExpand has the cases of the kubelet's own tests.
func TestExpand(t *testing.T) {
	c := &part{user: &manifest.Container{Env: []manifest.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: `"$(A)"`}, {Name: "E"}, {Name: "A", Value: "2"}}}}
	for text, want := range map[string]string{
		"": "", "plain": "plain", "$(A)": "2", "$$(A)": "$(A)", "$$$(A)": "$2", "$(A)$(A)": "22", "x$(B)y": `x"$(A)"y`, "$(E)": "",
		"$(NO)": "$(NO)", "$": "$", "$$": "$", "$(": "$(", "$(A": "$(A", "$A": "$A", "a$b$": "a$b$", "$()": "$()", "))$(A)((": "))2((",
	} {
		require.Equal(t, want, c.expand(text), text)
	}
}
