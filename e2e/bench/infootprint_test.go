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
	"restartrules.dev/pkg/inject"
)

// reported is how long after a restart its report was begun, at the latest.
const reported = 3 * time.Second

// withReports are manifests that have watchers report.
const withReports = "e2e/reports/manifests"

// measureInPod measures what is in an injected Pod at rest: first as it is, then with reports. What else runs on the
// cluster must be measured before.
func measureInPod(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	// Where the port of its readinessProbe is taken the watcher has none.
	quiet := idlePod(t, c, func(p *pod) { p.main().Ports = []corev1.ContainerPort{{ContainerPort: inject.DefaultReadinessPort}} })
	measureKin(t, p, kin{"watcher", []int{quiet.running("/watcher", "serve")}}, kin{"twin", []int{quiet.running("--pod=twin")}})
	quiet.remove()
	measureClientGo(t, p, c)
	probed := idlePod(t, c, nil)
	measureKin(t, p, kin{"watcher probed", []int{probed.running("/watcher", "serve")}})
	probed.remove()

	require.NoError(t, c.Apply(t.Context(), withReports))
	reporting := idlePod(t, c, nil)
	watcher := reporting.running("/watcher", "serve")
	for reporting.processWith("/reporter") != 0 { // it has told of the start, and ends
		time.Sleep(look)
	}
	measureKin(t, p, kin{"watcher with reports", []int{watcher}})
	for range times(6) {
		began := endAll(t, []*pod{reporting})
		if mb := reporting.most(watcher); mb > 0 { // at once: it may be there for some milliseconds only
			p.Add("footprint/watcher reporting/pss", mb)
		}
		reporting.since(began)
	}
	merge(p)
	reporting.remove()
}

// measureClientGo measures what would be in each Pod if its watcher spoke to the API server.
func measureClientGo(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "clientgo")
	output, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./clientgo").CombinedOutput()
	require.NoError(t, err, "%s", output)
	sizeOf(t, p, "client-go", binary)
	cmd := exec.Command(binary, c.Kubeconfig)
	ready, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	_, err = bufio.NewReader(ready).ReadString('\n')
	require.NoError(t, err, "it asks the API server")
	measureKin(t, p, kin{"client-go", []int{cmd.Process.Pid}})
}

// idlePod is a Pod in which nothing happens, with 1 init container and 2 containers, that could restart as a whole. change, if
// it is not nil, changes it before.
func idlePod(t *testing.T, c *testcluster.Cluster, change func(*pod)) *pod {
	t.Helper()
	p := newPod(t, c, results.Shape{Inits: 1, Containers: 2}, "peer").rule(restartAll)
	if change != nil {
		change(p)
	}
	return p.create().started()
}

// most is what the watcher and its reporter have in memory at most, until the reporter ends, in MB; 0 if it has come and
// gone between two looks.
func (p *pod) most(watcher int) (mb float64) {
	p.t.Helper()
	deadline, seen := time.Now().Add(reported), false
	for {
		reporter := p.processWith("/reporter")
		if reporter == 0 && (seen || time.Now().After(deadline)) {
			return mb
		}
		require.True(p.t, time.Now().Before(deadline.Add(patience)), "the reporter does not end")
		if reporter == 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		seen = true
		if both, ok := pssOf(watcher, reporter); ok {
			mb = max(mb, both)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// pssOf is the sum of some processes, in MB; ok is false if one has ended.
func pssOf(pids ...int) (mb float64, ok bool) {
	for _, pid := range pids {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
		if err != nil {
			return 0, false
		}
		_, rest, found := bytes.Cut(text, []byte("\nPss:"))
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
