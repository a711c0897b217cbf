package validation

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/manifest"
)

// large is a valid Pod with 10 containers that have 20 rules each, with as many values.
func large(tb testing.TB, values int) *manifest.Pod {
	tb.Helper()
	type object map[string]any
	var containers []object
	for c := range 10 {
		var rules []object
		for r := range 20 {
			list := make([]int, values)
			for i := range list {
				list[i] = (r*values + i) % 256
			}
			rules = append(rules, object{"action": "Restart", "exitCodes": object{"operator": "In", "values": list}})
		}
		containers = append(containers, object{"name": fmt.Sprint("c", c), "image": "x", "restartPolicy": "Never", "restartPolicyRules": rules})
	}
	text, err := json.Marshal(object{"metadata": object{}, "spec": object{"containers": containers}})
	require.NoError(tb, err)
	pod, err := manifest.DecodePod(text)
	require.NoError(tb, err)
	return pod
}

func BenchmarkPod(b *testing.B) {
	for _, values := range []int{5, 255} {
		pod := large(b, values)
		b.Run(fmt.Sprintf("10 containers, 20 rules, %d values", values), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, errs := Pod(pod, nil, Options{}); len(errs) > 0 {
					b.Fatal(errs)
				}
			}
		})
		b.Run(fmt.Sprintf("10 containers, 20 rules, %d values, rules only", values), func(b *testing.B) {
			b.ReportAllocs()
			native := nativeLanguage(&Options{})
			for b.Loop() {
				for i := range pod.Spec.Containers {
					if errs := containerRules(pod.Spec.Containers[i].Rules, func() *field.Path { return nil }, native); len(errs) > 0 {
						b.Fatal(errs)
					}
				}
			}
		})
	}
}
