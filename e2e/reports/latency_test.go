//go:build e2e

package reports

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/e2e/testcluster"
)

// TestHowLong prints how long it is from an exit until Event and condition are there, over 100 restarts of whole
// Pods, and what a Pod that has nothing to tell costs. client-go's recorder writes 25 Events of a Pod at once, and
// then one in five minutes, so it takes several Pods. It is not parallel.
func TestHowLong(t *testing.T) {
	const pods, each = 5, 20
	var event, underway, over []time.Duration
	for range pods {
		p := newPod(t, restartsAll, nil)
		p.await("the condition, from the start", isCondition(corev1.ConditionFalse, ""))
		for n := 1; n <= each; n++ {
			at := p.exit(restartAllCode)
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
	t.Logf("from exit to Event:             %s", quantiles(event))
	t.Logf("from exit to condition True:    %s", quantiles(underway))
	t.Logf("from exit to condition False:   %s", quantiles(over))
}

func quantiles(times []time.Duration) string {
	slices.Sort(times)
	at := func(q float64) time.Duration { return times[int(q*float64(len(times)-1))].Round(time.Millisecond) }
	return fmt.Sprintf("p50 %s, p99 %s, most %s (%d)", at(0.5), at(0.99), at(1), len(times))
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
