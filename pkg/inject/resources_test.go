package inject

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
)

// qosClass sums up requests and limits as upstream's ComputePodQOS does.
func qosClass(spec *corev1.PodSpec) corev1.PodQOSClass {
	names := []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}
	requests, limits := map[corev1.ResourceName]*resource.Quantity{}, map[corev1.ResourceName]*resource.Quantity{}
	for _, n := range names {
		requests[n], limits[n] = new(resource.Quantity), new(resource.Quantity)
	}
	guaranteed, any := true, false
	count := func(r corev1.ResourceRequirements) {
		for _, n := range names {
			request, limit := r.Requests[n], r.Limits[n]
			if _, ok := r.Requests[n]; !ok {
				request = limit // the API server's default
			}
			requests[n].Add(request)
			limits[n].Add(limit)
			guaranteed = guaranteed && !limit.IsZero()
			any = any || !request.IsZero() || !limit.IsZero()
		}
	}
	if spec.Resources != nil {
		count(*spec.Resources)
	} else {
		for _, c := range append(append([]corev1.Container{}, spec.InitContainers...), spec.Containers...) {
			count(c.Resources)
		}
	}
	switch {
	case !any:
		return corev1.PodQOSBestEffort
	case guaranteed && requests["cpu"].Cmp(*limits["cpu"]) == 0 && requests["memory"].Cmp(*limits["memory"]) == 0:
		return corev1.PodQOSGuaranteed
	default:
		return corev1.PodQOSBurstable
	}
}

func TestQoSClassStays(t *testing.T) {
	const limits = `{limits: {cpu: "1", memory: 1Gi}}`
	for name, tc := range map[string]struct {
		trainer, other, init, pod string
		class                     corev1.PodQOSClass
		cpu, memory               string // of the watcher's requests
	}{
		"nothing":                     {"{}", "{}", "{}", "", "BestEffort", "0", "0"},
		"zero":                        {"{requests: {cpu: 0}}", "{}", "{}", "", "BestEffort", "0", "0"},
		"another resource":            {"{limits: {example.com/gpu: 1}}", "{}", "{}", "", "BestEffort", "0", "0"},
		"cpu only":                    {"{requests: {cpu: 1}}", "{}", "{}", "", "Burstable", "10m", "0"},
		"memory limit of another":     {"{}", "{limits: {memory: 1Gi}}", "{}", "", "Burstable", "0", "16Mi"},
		"both, of the init container": {"{}", "{}", limits, "", "Burstable", "10m", "16Mi"},
		"init container has none":     {limits, limits, "{}", "", "Burstable", "10m", "16Mi"},
		"request below limit":         {limits, limits, `{limits: {cpu: "1", memory: 1Gi}, requests: {cpu: 500m, memory: 1Gi}}`, "", "Burstable", "10m", "16Mi"},
		"guaranteed":                  {limits, limits, limits, "", "Guaranteed", "100m", "32Mi"},
		"guaranteed, written out":     {`{limits: {cpu: "1", memory: 1Gi}, requests: {cpu: 1000m, memory: 1024Mi}}`, limits, limits, "", "Guaranteed", "100m", "32Mi"},
		"of the Pod":                  {"{}", "{}", "{}", `{limits: {cpu: "1", memory: 1Gi}, requests: {cpu: "1", memory: 1Gi}}`, "Guaranteed", "0", "0"},
	} {
		const all = "restartPolicy: OnFailure, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [88]}}]"
		test := func(t *testing.T, rules string) {
			text := "metadata: {}\nspec:\n  restartPolicy: Never\n"
			if tc.pod != "" {
				text += "  resources: " + tc.pod + "\n"
			}
			text += "  containers:\n  - {name: trainer, command: [x], " + rules + ", resources: " + tc.trainer + "}\n" +
				"  - {name: other, command: [x], resources: " + tc.other + "}\n  initContainers:\n  - {name: setup, command: [x], resources: " + tc.init + "}\n"
			data := object(t, text)
			patched := typed(t, created(t, data))
			require.Equal(t, tc.class, qosClass(&typed(t, data).Spec))
			require.Equal(t, tc.class, qosClass(&patched.Spec))
			requests := patched.Spec.InitContainers[0].Resources.Requests
			require.Equal(t, tc.cpu, requests.Cpu().String())
			require.Equal(t, tc.memory, requests.Memory().String())
			agrees(t, created(t, data))
		}
		t.Run(name, func(t *testing.T) { test(t, "restartPolicy: OnFailure") })
		t.Run(name+", with a twin", func(t *testing.T) { test(t, all) })
	}
}

func TestTwinResources(t *testing.T) {
	const limits = `{limits: {cpu: "1", memory: 1Gi}}`
	for name, tc := range map[string]struct{ trainer, init, want string }{
		"nothing":               {"{}", "{}", "{}"},
		"little of what others": {"{requests: {cpu: 1, memory: 1Gi}}", "{}", "{requests: {cpu: 10m, memory: 16Mi}}"},
		"its own limits":        {"{}", "{limits: {memory: 2Gi, cpu: 2}, requests: {memory: 1Gi}}", "{limits: {memory: 2Gi, cpu: 2}, requests: {memory: 16Mi, cpu: 10m}}"},
		"tiny limits":           {"{}", "{limits: {memory: 8Mi, cpu: 5m}, requests: {memory: 1Mi, cpu: 1m}}", "{limits: {memory: 8Mi, cpu: 5m}, requests: {memory: 8Mi, cpu: 5m}}"},
		"guaranteed":            {limits, "{limits: {memory: 2Gi, cpu: 2}}", "{limits: {memory: 2Gi, cpu: 500m}, requests: {memory: 2Gi, cpu: 500m}}"},
		"guaranteed, small":     {limits, "{limits: {memory: 8Mi, cpu: 50m}}", "{limits: {memory: 8Mi, cpu: 50m}, requests: {memory: 8Mi, cpu: 50m}}"},
		"only once":             {"{}", "{limits: {ephemeral-storage: 1Gi, hugepages-2Mi: 4Mi}}", "{}"},
		"claims are shared":     {"{}", "{claims: [{name: c}]}", "{claims: [{name: c}]}"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "metadata: {}\nspec:\n  restartPolicy: Never\n  initContainers:\n  - {name: setup, command: [x], resources: " + tc.init + "}\n  containers:\n" +
				"  - {name: trainer, command: [x], restartPolicy: Never, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}}], resources: " + tc.trainer + "}\n"
			got := typed(t, created(t, object(t, text))).Spec.Containers[1].Resources
			var want corev1.ResourceRequirements
			require.NoError(t, json.Unmarshal(object(t, tc.want), &want))
			require.True(t, equality.Semantic.DeepEqual(want, got), "%v", got)
		})
	}
}
