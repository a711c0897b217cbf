//go:build e2e

package tests

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
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
			printLatency(t, "the application's last act to its first", gaps)
			printLatency(t, "the shim's own figure, exit to exec", shimFigures(t, p))
		})
	}
}

// shimFigures are the times that the shim reported to the watcher, in milliseconds.
func shimFigures(t *testing.T, p *runningPod) (millis []float64) {
	for line := range strings.Lines(p.logs(api.WatcherContainer)) {
		var entry struct {
			Msg    string
			Micros float64
		}
		if err := json.Unmarshal([]byte(line), &entry); err == nil && entry.Msg == "restarted in place" {
			millis = append(millis, entry.Micros/1000)
		}
	}
	require.GreaterOrEqual(t, len(millis), latencyRestarts-1)
	return millis
}

func printLatency(t *testing.T, what string, millis []float64) {
	slices.Sort(millis)
	t.Logf("%s, %d restarts: median %.2f ms, p99 %.2f ms", what, len(millis), millis[len(millis)/2], millis[len(millis)*99/100])
}
