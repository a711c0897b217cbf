//go:build e2e

package bench

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/wire"
)

// How many restarts are measured.
const (
	manyRestarts   = 500 // of ours, with a goal
	ourRestarts    = 200
	nativeRestarts = 20
	newPods        = 20 // of what takes a new Pod each
	// nativeAtOnce is how many Pods restart at once that nothing is judged by.
	nativeAtOnce = 4
	// warmUp restarts are not counted.
	warmUp = 1
)

// again is one Pod whose source exits over and over: the times from its exits to the first instruction of the last new
// process, in ms.
func again(t *testing.T, c *testcluster.Cluster, side string, shape results.Shape, action corev1.ContainerRestartRuleAction, restarts int) (millis []float64) {
	t.Helper()
	return exitsOf(t, newPod(t, c, shape, "source").of(side).rule(action).create(), shape, action == restartAll, restarts)
}

// exitsOf is as again, for a Pod that is there; all says whether all its containers start anew.
func exitsOf(t *testing.T, p *pod, shape results.Shape, all bool, restarts int) (millis []float64) {
	t.Helper()
	// The kubelet starts one container after the other: before the last is there, the source has exited several times.
	complete := p.since(0)
	enough := func(source []int64) bool { return len(source) >= 2*(exitAfter(source, complete)+warmUp+restarts+1) }
	for wait := time.Now().Add(*longest); !enough(p.stamps("main0")) && time.Now().Before(wait); {
		time.Sleep(look)
	}
	source := p.stamps("main0")
	others := map[string][]int64{}
	for _, program := range p.programs {
		if all || program == "main0" {
			others[program] = p.stamps(program)
		}
	}
	p.remove()
	overtaken := 0
	first := exitAfter(source, complete) + warmUp
	for i := first; i < first+restarts && 2*i+3 < len(source); i++ {
		exit, last := source[2*i+1], int64(0)
		for _, stamps := range others {
			at := slices.IndexFunc(stamps, func(at int64) bool { return at > exit })
			require.GreaterOrEqual(t, at, 0)
			last = max(last, stamps[at])
		}
		if last > source[2*i+3] {
			overtaken++ // what is counted is that until the end of the restart that followed
		}
		millis = append(millis, float64(last-exit)/1e6)
	}
	if overtaken > 0 || len(millis) < restarts {
		t.Logf("%s: %d of %d restarts; in %d the source exited again before all others ran", shape, len(millis), restarts, overtaken)
	}
	return millis
}

// exitAfter is the number, from 0, of the first exit after a moment. A source stamps its start and its exit in turn.
func exitAfter(source []int64, moment int64) (i int) {
	for 2*i+1 < len(source) && source[2*i+1] <= moment {
		i++
	}
	return i
}

// once is a new Pod each time, whose main0 is ended when all runs: the times until all has started again, in ms. Back-off
// begins with the second restart of a Pod. All are made before, and wait, which takes nothing.
func once(t *testing.T, times int, create func() *pod, want func(p *pod) []string) (millis []float64) {
	t.Helper()
	var pods []*pod
	for range times {
		pods = append(pods, create())
	}
	for _, p := range pods {
		p.started()
		p.programs = want(p)
	}
	settle(t, *atRest)
	repeat(t, times, func(i int) {
		began := endAll(t, pods[i:i+1])
		millis = append(millis, float64(pods[i].since(began)-began)/1e6)
	})
	removeAll(t, pods)
	return millis
}

func everything(p *pod) []string { return p.programs }

func onlyMain(*pod) []string { return []string{"main0"} }

const (
	restart    = corev1.ContainerRestartRuleActionRestart
	restartAll = corev1.ContainerRestartRuleActionRestartAllContainers
)

// measureOurRestarts measures ours beside a C program's, the sandbox strategy, and new Pods.
func measureOurRestarts(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	p.Add("restart/ours", again(t, c, results.Ours, results.Shape{Containers: 1}, restart, times(manyRestarts))...)
	measureCInPod(t, p, c)
	for i, shape := range results.Shapes {
		n := ourRestarts
		if i < 2 {
			n = manyRestarts
		}
		p.Add(shape.Series(results.Ours), again(t, c, results.Ours, shape, restartAll, times(n))...)
	}
	first := results.Shapes[0]
	p.Add("recreate/sandbox", once(t, times(newPods), func() *pod {
		p := newPod(t, c, first, "peer").rule(restartAll)
		p.spec.Annotations[api.StrategyAnnotation] = api.StrategySandbox
		// The kubelet starts it again only if nothing in the Pod ends for good.
		p.main().RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		delete(p.spec.Annotations, api.RulesAnnotation)
		p.spec.Spec.RestartPolicy = corev1.RestartPolicyAlways
		return p.create()
	}, everything)...)
	p.Add("recreate/deployment", recreated(t, c, first, times(newPods))...)
}

// measureCInPod measures what a C program in the same place takes that does nothing but start the command again: what is
// left is the cluster's share.
func measureCInPod(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	binary, why := theCProgram(t)
	if why != "" {
		p.Miss("restart/c", "%s", why)
		return
	}
	shape := results.Shape{Containers: 1}
	pod := newPod(t, c, shape, "source").in(plain)
	text, err := os.ReadFile(binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(pod.dir, "supervisor"), text, 0o755))
	pod.main().Command = append([]string{mounted + "/supervisor", "run"}, pod.main().Command...)
	p.Add("restart/c", exitsOf(t, pod.create(), shape, false, times(manyRestarts))...)
}

func measureNativeRestarts(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	// A second restart waits for 10 s: so a new Pod each.
	p.Add("restart/native", once(t, times(newPods), func() *pod {
		return newPod(t, c, results.Shape{Containers: 1}, "peer").of(results.Native).rule(restart).create()
	}, onlyMain)...)
	judged := results.Shapes[:2]
	for _, shape := range judged {
		p.Add(shape.Series(results.Native), again(t, c, results.Native, shape, restartAll, times(nativeRestarts))...)
	}
	others := make(chan results.Shape, len(results.Shapes))
	for _, shape := range results.Shapes[len(judged):] {
		others <- shape
	}
	close(others)
	lanes(t, "others", nativeAtOnce, func(t *testing.T, lane *sync.Mutex) {
		for shape := range others {
			millis := again(t, c, results.Native, shape, restartAll, times(nativeRestarts))
			lane.Lock()
			p.Add(shape.Series(results.Native), millis...)
			lane.Unlock()
		}
	})
}

// recreated deletes the Pod of a Deployment over and over: the times until all of the new one runs, in ms.
func recreated(t *testing.T, c *testcluster.Cluster, shape results.Shape, times int) (millis []float64) {
	t.Helper()
	p := newPod(t, c, shape, "peer").in(plain)
	p.spec.Spec.RestartPolicy = corev1.RestartPolicyAlways
	labels := map[string]string{"bench": p.spec.Name}
	deployments, pods := c.API.AppsV1().Deployments(plain), c.API.CoreV1().Pods(plain)
	_, err := deployments.Create(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: p.spec.Name}, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: p.spec.Spec},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	p.started()
	only := func() (name string) {
		require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
			list, err := pods.List(t.Context(), metav1.ListOptions{LabelSelector: "bench=" + p.spec.Name})
			if err != nil || len(list.Items) != 1 {
				return false, err
			}
			name = list.Items[0].Name
			return list.Items[0].Status.Phase == corev1.PodRunning, nil
		}))
		return name
	}
	repeat(t, times, func(int) {
		name := only()
		began := wire.Now()
		require.NoError(t, pods.Delete(t.Context(), name, metav1.DeleteOptions{}))
		millis = append(millis, float64(p.since(began)-began)/1e6)
	})
	require.NoError(t, deployments.Delete(t.Context(), p.spec.Name, metav1.DeleteOptions{}))
	return millis
}
