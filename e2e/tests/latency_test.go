//go:build e2e

package tests

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// latencyRestarts is how many restarts are measured.
const latencyRestarts = 300

// How long an in-place restart takes on a real kubelet, back-off excluded: from the application's
// last act to its first. The application is a Go program, whose runtime takes about a millisecond to
// begin; BenchmarkRestart in pkg/supervise measures without that. Figures are printed, not judged.
func TestRestartLatencyIsPrinted(t *testing.T) {
	for _, shared := range []bool{true, false} {
		name := "own process namespaces"
		if shared {
			name = "shared process namespace"
		}
		t.Run(name, func(t *testing.T) {
			p := newPod(t, "latency", shared, "-run=20ms", "-exit=42").rules(restartAtOnce(42)).create(t)
			p.waitStarts("app", latencyRestarts+1)
			events := p.events("app")
			var gaps []float64
			for i := 2; i < len(events); i += 2 {
				require.Equal(t, "start", events[i].Event)
				gaps = append(gaps, float64(events[i].At-events[i-1].At)/1e6)
			}
			slices.Sort(gaps)
			t.Logf("exit to the first act of the new process, %d restarts: median %.2f ms, p99 %.2f ms",
				len(gaps), gaps[len(gaps)/2], gaps[len(gaps)*99/100])
		})
	}
}
