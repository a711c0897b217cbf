package restartall

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/e2e/record"
)

// started and ended are lines of a record.
func started(at int64) record.Event { return record.Event{Event: "start", At: at} }

func ended(at int64, code int) record.Event { return record.Event{Event: "end", At: at, Code: code} }

func TestRuns(t *testing.T) {
	sidecar := corev1.Container{Name: "sidecar", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}
	probed := sidecar
	probed.Name, probed.StartupProbe = "probed", &corev1.Probe{}
	s := Scenario{Hooks: []string{"hook"}}
	s.Pod.Spec = corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "init"}, probed, sidecar},
		Containers:     []corev1.Container{{Name: "a"}, {Name: "b"}},
	}
	type records = map[string][]record.Event
	for name, test := range map[string]struct {
		records records
		marks   []mark
		want    []string
	}{
		"nothing": {want: []string{}},
		"in the order of the starts": {
			records: records{"a": {started(3), ended(9, 1)}, "init": {started(1), ended(2, 0)}, "b": {started(4), ended(5, 255)}},
			want:    []string{"init 1 exit 0", "a 1 exit 1", "b 1 exit 255"},
		},
		"killed": {
			records: records{"a": {started(1), {Event: "term", At: 2}, started(3)}},
			want:    []string{"a 1 killed", "a 2 killed"},
		},
		"together, in the Pod's order": {
			records: records{"a": {started(2), ended(4, 42), started(7), ended(9, 0)}, "b": {started(1), ended(5, 143), started(6), ended(8, 0)}},
			want:    []string{"a 1 exit 42", "b 1 exit 143", "a 2 exit 0", "b 2 exit 0"},
		},
		"a sidecar that is only started, and what follows it": {
			records: records{"a": {started(2), ended(5, 0)}, "b": {started(1), ended(5, 0)}, "sidecar": {started(3), ended(6, 0)}},
			want:    []string{"sidecar 1 exit 0", "a 1 exit 0", "b 1 exit 0"},
		},
		"too early for one that is waited for": {
			records: records{"init": {started(2), ended(4, 0)}, "a": {started(1), ended(5, 0)}, "probed": {started(3), ended(6, 0)}},
			want:    []string{"a 1 exit 0", "init 1 exit 0", "probed 1 exit 0"},
		},
		"alone, after the other had started": {
			records: records{"a": {started(1), ended(3, 1), started(4), ended(9, 0)}, "b": {started(2), ended(8, 0)}},
			want:    []string{"a 1 exit 1", "b 1 exit 0", "a 2 exit 0"},
		},
		"killed, after the other had started": {
			records: records{"a": {started(1), {Event: "term", At: 3}, started(5), ended(8, 0)}, "b": {started(2), ended(4, 143), started(6), ended(8, 0)}},
			want:    []string{"a 1 killed", "b 1 exit 143", "a 2 exit 0", "b 2 exit 0"},
		},
		"marks and hooks stay where they are": {
			records: records{"a": {started(5), ended(6, 0)}, "b": {started(1), ended(6, 0)}, "hook": {started(2), ended(3, 0)}},
			marks:   []mark{{text: "touch barrier", at: 4}},
			want:    []string{"b 1 exit 0", "hook 1 exit 0", "touch barrier", "a 1 exit 0"},
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, s.Runs(test.records, test.marks)) })
	}
}
