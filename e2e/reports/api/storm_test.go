//go:build integration

package api

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/report/write"
)

var watchers = flag.Int("watchers", 200, "how many watchers report at once in TestStorm")

const (
	// stormLasts is the time in which all watchers begin to report.
	stormLasts = 10 * time.Second
	// stormOver is when everything must be right.
	stormOver = 10 * time.Minute
	// shortest and longest are how long a restart takes.
	shortest, longest = 100 * time.Millisecond, time.Second
	// maxMemory is what the webhook's container may use in the manifests.
	maxMemory = 256 << 20
)

// TestStorm: many Pods restart all their containers at the same time. Each of their watchers reports it over HTTPS with
// its own token, when it begins and when it is over, as the reporter does, and comes back as the watcher does. The API
// server is asked to write no more often than it should, the webhook needs no more memory than it has, and in the end
// each Pod has its Event, its condition and its counts.
func TestStorm(t *testing.T) {
	require.NoError(t, makeNamespace(t.Context(), "storm", nil))
	pods := makeStorm(t, *watchers)
	before := metrics(t)
	began := time.Now()
	all := pods.report(t)
	rightAfter := waitUntilRight(t, pods, began)
	eventsAfter := waitForEvents(t, pods, began)
	all.stop()
	checkAll(t, pods)
	peak := peakMemory(t, s.webhook.process.Process.Pid)

	asked := requests(t, began)
	writes := slices.DeleteFunc(slices.Clone(asked), func(r request) bool { return r.review() })
	reviews := slices.DeleteFunc(slices.Clone(asked), func(r request) bool { return !r.review() })
	most, when := mostInASecond(writes)
	mostReviews, _ := mostInASecond(reviews)
	t.Logf("%d watchers report within %v:", len(pods), stormLasts)
	t.Logf("  %8.1f s until all conditions and counts are right, %.1f s until all Events are there", rightAfter.Seconds(), eventsAfter.Seconds())
	t.Logf("  %8.1f s until each watcher has told what it had to tell", pods.lastTold().Sub(began).Seconds())
	t.Logf("  %8.1f MiB of memory, the webhook's peak", float64(peak)/(1<<20))
	t.Logf("  %8d writes in the busiest second, %.0f s after the beginning", most, when.Sub(began).Seconds())
	logCounts(t, byWhat(writes))
	t.Logf("  %8d TokenReviews, %d in the busiest second", len(reviews), mostReviews)
	answers := map[string]int{}
	for name, n := range metrics(t) {
		if code, ok := strings.CutPrefix(name, "restartrules_reports_total"); ok && n > before[name] {
			answers["reports answered "+code] = int(n - before[name])
		}
	}
	logCounts(t, answers)
	t.Log("  reporters that gave up, and were started again later:")
	logCounts(t, pods.failures())

	require.LessOrEqual(t, most, write.DefaultWritesPerSecond, "writes in a second")
	require.LessOrEqual(t, peak, int64(maxMemory), "memory")
	require.Less(t, max(rightAfter, eventsAfter), stormOver)
}

// logCounts logs counts, the highest first.
func logCounts(t *testing.T, counts map[string]int) {
	t.Helper()
	var lines []string
	for what, n := range counts {
		lines = append(lines, fmt.Sprintf("  %8d %s", n, what))
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	for _, line := range lines {
		t.Log(line)
	}
}

// waitUntilRight returns when all Pods are right in the API, and how long that took.
func waitUntilRight(t *testing.T, pods storm, began time.Time) time.Duration {
	t.Helper()
	first, err := s.api.CoreV1().Pods("storm").List(t.Context(), metav1.ListOptions{Limit: 1})
	require.NoError(t, err)
	changes, err := s.api.CoreV1().Pods("storm").Watch(t.Context(), metav1.ListOptions{ResourceVersion: first.ResourceVersion})
	require.NoError(t, err)
	defer changes.Stop()
	late := time.NewTimer(stormOver - time.Since(began))
	defer late.Stop()
	done := map[string]bool{}
	for len(done) < len(pods) {
		select {
		case change, ok := <-changes.ResultChan():
			require.True(t, ok, "the watch has ended")
			pod, ok := change.Object.(*corev1.Pod)
			require.True(t, ok, "%v", change)
			uid := string(pod.UID)
			if done[uid] || pods[uid].right(pod) != nil {
				continue
			}
			done[uid] = true
			if len(done)%max(len(pods)/10, 1) == 0 {
				t.Logf("%6.1f s: %d Pods are right", time.Since(began).Seconds(), len(done))
			}
		case <-late.C:
			t.Fatalf("after %v only %d of %d Pods are right", stormOver, len(done), len(pods))
		}
	}
	return time.Since(began)
}

// checkAll looks at all Pods once more.
func checkAll(t *testing.T, pods storm) {
	t.Helper()
	list, err := s.api.CoreV1().Pods("storm").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, len(pods))
	for i := range list.Items {
		require.NoError(t, pods[string(list.Items[i].UID)].right(&list.Items[i]), list.Items[i].Name)
	}
}

// waitForEvents returns when each Pod has its Event, and how long that took.
func waitForEvents(t *testing.T, pods storm, began time.Time) time.Duration {
	t.Helper()
	require.Eventually(t, func() bool { return metrics(t)["restartrules_report_pods_waiting"] == 0 }, stormOver, 200*time.Millisecond)
	var took time.Duration
	has := map[string]int32{}
	require.Eventually(t, func() bool { // what the recorder was given may be under way
		took = time.Since(began)
		list, err := s.api.CoreV1().Events("storm").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		clear(has)
		for i := range list.Items {
			has[string(list.Items[i].InvolvedObject.UID)] += list.Items[i].Count
		}
		return len(has) == len(pods)
	}, patience, time.Second, "an Event is missing")
	for uid, p := range pods {
		require.EqualValues(t, 1, has[uid], "Events of %s", p.pod.Name)
	}
	return took
}

// metrics are what the webhook counts, by name and labels.
func metrics(t *testing.T) map[string]float64 {
	t.Helper()
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", s.webhook.metrics))
	require.NoError(t, err)
	defer response.Body.Close()
	all := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && name != "#" {
			all[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return all
}

// peakMemory is the most memory that a process has had, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	require.NotNil(t, found)
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	require.NoError(t, err)
	return kilobytes << 10
}

// reporting are all watchers of a storm.
type reporting struct {
	sync.WaitGroup
	cancel func()
}

func (r *reporting) stop() { r.cancel(); r.Wait() }
