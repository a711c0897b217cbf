//go:build e2e

package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/bench/gang"
	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/wire"
)

// gangs are how gangs of a side are restarted.
type gangs struct {
	side string
	// judged is how often those are restarted that are: one Pod, the largest, and those that are waited for until they are
	// ready. Of the others the model needs medians: they take part each so many rounds.
	judged, each int
	// calm is how long a gang is left alone at least before it restarts again, and twice that at most: not in step with the
	// kubelet, which looks at its containers once a second.
	calm time.Duration
}

// readyPods is how many are waited for until the API server says that they are ready.
const readyPods = 4

func measureOurGangs(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	measureGang(t, p, c, gangs{results.Ours, 200, 4, 60 * time.Millisecond})
}

func measureNativeGangs(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	measureGang(t, p, c, gangs{results.Native, 20, 3, 500 * time.Millisecond})
}

// measureGang restarts gangs of all sizes, each several times, on one node. Values are in seconds.
func measureGang(t *testing.T, p *results.Part, c *testcluster.Cluster, g gangs) {
	var pods []*pod
	for range gang.Largest {
		pods = append(pods, newPod(t, c, results.Shape{Containers: 3}, "peer").of(g.side).rule(restartAll).create())
	}
	for _, pod := range pods {
		pod.started()
	}
	settle(t, *atRest)
	sizes := append(slices.Clone(gang.Calibration), gang.Largest)
	seconds := map[int][]float64{}
	// In turns: what changes on the machine meanwhile changes all.
	repeat(t, times(g.judged), func(i int) {
		for _, size := range sizes {
			if size != 1 && size != gang.Largest && i%g.each != 0 {
				continue
			}
			began := endAll(t, pods[:size])
			seconds[size] = append(seconds[size], float64(allSince(pods[:size], began)-began)/1e9)
			time.Sleep(g.calm + rand.N(g.calm))
		}
	})
	for _, size := range sizes {
		p.Add(gang.Series(size, g.side), seconds[size]...)
	}
	var ready []float64
	repeat(t, times(g.judged), func(int) {
		waitReady(t, c, pods[:readyPods], nil)
		before := startsOf(t, c, pods[:readyPods])
		began := endAll(t, pods[:readyPods])
		last := allSince(pods[:readyPods], began)
		if g.side == results.Ours {
			before = nil // their containers don't start anew
		}
		ready = append(ready, float64(max(last, waitReady(t, c, pods[:readyPods], before))-began)/1e9)
		time.Sleep(g.calm + rand.N(g.calm))
	})
	p.Add("gang/ready/"+g.side, ready...)
	removeAll(t, pods)
}

// endAll has the first container of each Pod end at the same moment, and returns it. The processes are looked for before.
func endAll(t *testing.T, pods []*pod) (moment int64) {
	t.Helper()
	kill := killers(t, pods)
	moment = wire.Now()
	for _, k := range kill {
		k()
	}
	return moment
}

func allSince(pods []*pod, moment int64) (last int64) {
	for _, pod := range pods {
		last = max(last, pod.since(moment))
	}
	return last
}

// startsOf says since when the first containers of Pods run, by the names of the Pods, as the API server has it.
func startsOf(t *testing.T, c *testcluster.Cluster, pods []*pod) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, p := range pods {
		live, err := c.API.CoreV1().Pods(p.spec.Namespace).Get(t.Context(), p.spec.Name, metav1.GetOptions{})
		require.NoError(t, err)
		ids[p.spec.Name] = containerID(live)
	}
	return ids
}

func containerID(p *corev1.Pod) string {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == "main0" {
			return s.ContainerID
		}
	}
	return ""
}

// waitReady waits until the API server says of all Pods that they are ready, and of their first containers that they are
// others than before, if that is given; and returns when.
func waitReady(t *testing.T, c *testcluster.Cluster, pods []*pod, before map[string]string) (moment int64) {
	t.Helper()
	deadline := time.Now().Add(testcluster.Patience)
	for {
		ready := 0
		for _, p := range pods {
			live, err := c.API.CoreV1().Pods(p.spec.Namespace).Get(t.Context(), p.spec.Name, metav1.GetOptions{})
			require.NoError(t, err)
			i := slices.IndexFunc(live.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady })
			if i >= 0 && live.Status.Conditions[i].Status == corev1.ConditionTrue && (before == nil || containerID(live) != before[p.spec.Name]) {
				ready++
			}
		}
		if ready == len(pods) {
			return wire.Now()
		}
		require.True(t, time.Now().Before(deadline), "%d of %d Pods are ready after %s", ready, len(pods), testcluster.Patience)
		time.Sleep(20 * time.Millisecond)
	}
}
