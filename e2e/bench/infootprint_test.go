//go:build e2e

package bench

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
)

const (
	// watchers is how many idle Pods are measured, and readings how often each.
	watchers, readings = 50, 4
	// reporters is how many Pods restart at the same moment, and reports how often.
	reporters, reports = 25, 8
	// reported is how long after a restart its report was begun, at the latest.
	reported = 3 * time.Second
)

// withReports are manifests that have watchers report.
const withReports = "e2e/bench/manifests"

// measureInPod measures what is in injected Pods at rest: first as they are, then with reports. What else runs on the
// cluster must be measured before.
func measureInPod(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	// Where the port of its readinessProbe is taken the watcher has none.
	quiet := idlePods(t, c, times(watchers), func(p *pod) { p.main().Ports = []corev1.ContainerPort{{ContainerPort: inject.DefaultReadinessPort}} })
	probed := idlePods(t, c, 1, nil)
	idle := kin{name: "watcher", pids: runningIn(quiet, "/watcher", "serve"), inPods: true}
	measureKin(t, p, idle, kin{name: "twin", pids: runningIn(quiet, "--pod=twin")},
		kin{name: "watcher probed", pids: runningIn(probed, "/watcher", "serve"), inPods: true}, kin{name: "client-go", pids: []int{clientGo(t, p, c)}})
	for range readings - 1 {
		measureKin(t, p, idle)
	}
	removeAll(t, append(quiet, probed...))

	require.NoError(t, c.Apply(t.Context(), withReports))
	webhook := c.WebhookAlias(t)
	reporting := idlePods(t, c, times(reporters), func(p *pod) { p.spec.Spec.HostAliases = []corev1.HostAlias{webhook} })
	of := runningIn(reporting, "/watcher", "serve")
	untilSilent(t, of) // they have told of the start
	measureKin(t, p, kin{name: "watcher with reports", pids: of, inPods: true})
	for range times(reports) {
		endAll(t, reporting)
		p.Add("footprint/watcher reporting/pss", mostOf(t, of)...)
	}
	merge(p)
	for _, pod := range reporting {
		live, err := c.API.CoreV1().Pods(injected).Get(t.Context(), pod.spec.Name, metav1.GetOptions{})
		require.NoError(t, err)
		require.NotEmpty(t, live.Annotations[api.StatusAnnotation], "what %s had to report has not arrived", pod.spec.Name)
	}
	removeAll(t, reporting)
}

// untilSilent waits until no watcher has a reporter.
func untilSilent(t *testing.T, watchers []int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(watchers, func(w int) bool { return childOf(t, w) != 0 })
	}, testcluster.Patience, look, "a reporter does not end")
}

// mostOf is what watchers that have something to report have in memory at most, each with its reporter, until that ends: in MB.
func mostOf(t *testing.T, watchers []int) (mb []float64) {
	t.Helper()
	most := make([]float64, len(watchers))
	began := time.Now()
	for reporting := true; reporting; time.Sleep(5 * time.Millisecond) {
		reporting = time.Since(began) < reported
		for i, watcher := range watchers {
			if reporter := childOf(t, watcher); reporter != 0 {
				reporting = true
				if both, ok := rssOf(watcher, reporter); ok {
					most[i] = max(most[i], both)
				}
			}
		}
		require.Less(t, time.Since(began), testcluster.Patience, "a reporter does not end")
	}
	for _, m := range most {
		if m > 0 {
			mb = append(mb, m)
		}
	}
	return mb
}

// childOf is a process that the other has started, 0 if it has none.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	require.NoError(t, err)
	for _, file := range files {
		text, _ := os.ReadFile(file) // a thread may have ended
		if fields := bytes.Fields(text); len(fields) > 0 {
			child, err := strconv.Atoi(string(fields[0]))
			require.NoError(t, err)
			return child
		}
	}
	return 0
}

// clientGo is what would be in each Pod if its watcher spoke to the API server, until the test is over.
func clientGo(t *testing.T, p *results.Part, c *testcluster.Cluster) (pid int) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "clientgo")
	output, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./clientgo").CombinedOutput()
	require.NoError(t, err, "%s", output)
	sizeOf(t, p, "client-go", binary)
	cmd := exec.Command(binary, c.Kubeconfig)
	ready, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	_, err = bufio.NewReader(ready).ReadString('\n')
	require.NoError(t, err, "it asks the API server")
	return cmd.Process.Pid
}

// idlePods are Pods in which nothing happens, with 1 init container and 2 containers, that could restart as a whole. change, if
// it is not nil, changes each before.
func idlePods(t *testing.T, c *testcluster.Cluster, count int, change func(*pod)) (pods []*pod) {
	t.Helper()
	for range count {
		p := newPod(t, c, results.Shape{Inits: 1, Containers: 2}, "peer").rule(restartAll)
		if change != nil {
			change(p)
		}
		pods = append(pods, p.create())
	}
	for _, p := range pods {
		p.started()
	}
	return pods
}

// rssOf is the sum of some processes, in MB; ok is false if one has ended.
func rssOf(pids ...int) (mb float64, ok bool) {
	for _, pid := range pids {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
		if err != nil {
			return 0, false
		}
		_, rest, found := bytes.Cut(text, []byte("\nRss:"))
		fields := bytes.Fields(rest)
		if !found || len(fields) == 0 {
			return 0, false
		}
		kb, err := strconv.ParseFloat(string(fields[0]), 64)
		if err != nil {
			return 0, false
		}
		mb += kb / 1000
	}
	return mb, true
}

// runningIn are the processes, one in each Pod, that have these arguments.
func runningIn(pods []*pod, arguments ...string) (pids []int) {
	for _, p := range pods {
		pids = append(pids, p.running(arguments...))
	}
	return pids
}

// running is the process in the Pod that has these arguments, the first of them being its program's or anywhere behind.
func (p *pod) running(arguments ...string) (pid int) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		pid = p.processWith(arguments...)
		return pid != 0
	}, patience, look, "no process with %q in %s", arguments, p.spec.Name)
	return pid
}

// processWith is as running, 0 if there is none. A shim has its command's arguments behind "--": those don't count.
func (p *pod) processWith(arguments ...string) int {
	p.t.Helper()
	if p.uid == "" {
		live, err := p.cluster.API.CoreV1().Pods(p.spec.Namespace).Get(p.t.Context(), p.spec.Name, metav1.GetOptions{})
		require.NoError(p.t, err)
		p.uid = string(live.UID)
	}
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	require.NoError(p.t, err)
	for _, group := range groups {
		text, err := os.ReadFile(group)
		if err != nil || !bytes.Contains(text, []byte(p.uid)) {
			continue
		}
		command, err := os.ReadFile(filepath.Join(filepath.Dir(group), "cmdline"))
		if err != nil {
			continue
		}
		command, _, _ = bytes.Cut(command, []byte("\x00--\x00"))
		words := bytes.Split(command, []byte{0})
		missing := slices.ContainsFunc(arguments, func(a string) bool {
			return !slices.ContainsFunc(words, func(w []byte) bool { return string(w) == a })
		})
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(group))); err == nil && !missing {
			return pid
		}
	}
	return 0
}
