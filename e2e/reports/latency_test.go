//go:build e2e

package reports

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/e2e/testcluster"
)

// within is how soon what a restart has made of a Pod can be seen, but for one in a hundred.
const within = 2 * time.Second

// TestHowLong measures how long it is from an exit until Event, condition and metrics are there, over 100 restarts of
// whole Pods, and prints what a Pod that has nothing to tell costs. client-go's recorder writes 25 Events of a Pod at
// once, and then one in five minutes, so it takes several Pods. It is not parallel.
func TestHowLong(t *testing.T) {
	const pods, each = 5, 20
	var event, underway, over, counted []time.Duration
	for range pods {
		p := newPod(t, restartsAll, nil)
		p.await("the condition, from the start", isCondition(corev1.ConditionFalse, ""))
		for n := 1; n <= each; n++ {
			at := p.exit(restartAllCode)
			counted = append(counted, time.Duration(p.counted(n)-at))
			underway = append(underway, time.Duration(p.await("True", isCondition(corev1.ConditionTrue, "RestartAllContainersStarted")).at-at))
			over = append(over, time.Duration(p.await("False", isCondition(corev1.ConditionFalse, "")).at-at))
			event = append(event, time.Duration(p.await("the Event", p.isEvent("RestartAllContainersStarted", int32(n))).at-at))
		}
		if len(event) == pods*each {
			t.Logf("the watcher with the reporter: %s", p.memory())
			require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) { return p.process("/reporter") == 0, nil }))
			t.Logf("the watcher when there is nothing more to tell: %s", p.memory())
		}
	}
	for what, times := range map[string][]time.Duration{"Event": event, "condition True": underway, "condition False": over, "metrics": counted} {
		slices.Sort(times)
		t.Logf("from exit to %-16s %s", what+":", quantiles(times))
		assert.LessOrEqual(t, quantile(times, 0.99), within, what)
	}
}

// counted waits until the webhook has counted n restarts of the whole Pod, and returns when that was seen.
func (p *pod) counted(n int) (at int64) {
	p.Helper()
	line := regexp.MustCompile(`(?m)^restartrules_restarts_total\{action="RestartAllContainers",namespace="` + p.namespace +
		`",outcome="completed",workload="",workload_kind="Pod"\} (\d+)$`)
	host, _, err := net.SplitHostPort(p.service.endpoint())
	require.NoError(p, err)
	require.NoError(p, testcluster.Eventually(p.Context(), func() (bool, error) {
		response, err := http.Get("http://" + net.JoinHostPort(host, metricsPort) + "/metrics")
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		at = monotonic()
		found := line.FindSubmatch(text)
		return found != nil && string(found[1]) == strconv.Itoa(n), err
	}))
	return at
}

// quantiles of times in order.
func quantiles(times []time.Duration) string {
	at := func(q float64) time.Duration { return quantile(times, q).Round(time.Millisecond) }
	return fmt.Sprintf("p50 %s, p99 %s, most %s (%d)", at(0.5), at(0.99), at(1), len(times))
}

func quantile(times []time.Duration, q float64) time.Duration {
	return times[int(q*float64(len(times)-1))]
}

// memory says how much of the node's memory the watcher's and the reporter's processes take.
func (p *pod) memory() string {
	p.Helper()
	var list []string
	for pid, command := range p.processes() {
		if command[0] != "/watcher" && command[0] != "/reporter" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
		if err != nil {
			continue // it has just ended
		}
		kilobytes := map[string]string{}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) == 3 {
				kilobytes[fields[0]] = fields[1]
			}
		}
		list = append(list, fmt.Sprintf("%s: PSS %s kB, of it anonymous %s kB", strings.Join(command[:1], " "), kilobytes["Pss:"], kilobytes["Pss_Anon:"]))
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}
