package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/ptr"
)

func TestEvent(t *testing.T) {
	restart := event{subject: "two-policies", container: "shipper", exit: ptr.To(0), rule: "restartPolicy Always",
		done: "restarted in place in 0.70 ms: process 66, attempt 2", tone: good}
	for name, test := range map[string]struct {
		colours bool
		event   event
		want    string
	}{
		"exit code 0 is one": {false, restart,
			"  +6.5s  two-policies              shipper       0  restartPolicy Always                        restarted in place in 0.70 ms: process 66, attempt 2\n"},
		"no exit": {false, event{subject: "two-policies", container: "worker", done: "started"},
			"  +6.5s  two-policies              worker                                                       started\n"},
		"a Job": {false, event{subject: "job/training-job", done: "the Job is Complete"},
			"  +6.5s  job/training-job                                                                       the Job is Complete\n"},
		"colours don't move the columns": {true, restart,
			"  +6.5s  two-policies              shipper       0  restartPolicy Always                        \x1b[32mrestarted in place in 0.70 ms: process 66, attempt 2\x1b[0m\n"},
		"nothing to colour": {true, event{subject: "two-policies", done: "started"},
			"  +6.5s  two-policies                                                                           started\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			page{w: &b, colours: test.colours}.event(6543*time.Millisecond, test.event)
			require.Equal(t, test.want, b.String())
		})
	}
}

func TestMillis(t *testing.T) {
	require.Equal(t, "0.00 ms", millis(0))
	require.Equal(t, "0.71 ms", millis(712*time.Microsecond))
	require.Equal(t, "1500.00 ms", millis(1500*time.Millisecond))
}

func TestShortID(t *testing.T) {
	require.Equal(t, "0123456789ab", shortID("containerd://0123456789abcdef"))
	require.Equal(t, "0123456789ab", shortID("0123456789abcdef"))
	require.Equal(t, "0123", shortID("cri-o://0123"))
	require.Empty(t, shortID(""))
}

func TestSpan(t *testing.T) {
	require.Equal(t, "-", span(nil))
	require.Equal(t, "1.00 ms", span([]time.Duration{time.Millisecond}))
	require.Equal(t, "0.50 ms to 2.00 ms", span([]time.Duration{time.Millisecond, 2 * time.Millisecond, 500 * time.Microsecond}))
}

func TestGateMetric(t *testing.T) {
	metrics := `# TYPE kubernetes_feature_enabled gauge
kubernetes_feature_enabled{name="ContainerRestartRulesOther",stage="BETA"} 1
kubernetes_feature_enabled{name="ContainerRestartRules",stage="BETA"} 0
`
	require.Equal(t, `kubernetes_feature_enabled{name="ContainerRestartRules",stage="BETA"} 0`, gateMetric(metrics, "ContainerRestartRules"))
	require.Empty(t, gateMetric(metrics, "RestartAllContainersOnContainerExits"))
}
