//go:build e2e

package bench

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/wire"
)

const (
	// starts is how often Pods without and with an init container are made; each takes seconds.
	starts, initStarts = 40, 25
	// kept is how many Pods stay before all are removed at once. They wait, which takes nothing; what the end of each takes
	// would disturb the next start, or be waited for.
	kept = 40
)

// measureStartUp makes injected Pods and the same not injected, in turns. Values are in seconds.
func measureStartUp(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	for inits, n := range []int{starts, initStarts} {
		var without, added []float64
		var pods []*pod
		shape := results.Shape{Inits: inits, Containers: 2}
		start := func(namespace string) float64 {
			p := startable(t, c, shape).in(namespace)
			began := wire.Now()
			p.create()
			pods = append(pods, p)
			return float64(p.since(0)-began) / 1e9
		}
		repeat(t, times(n), func(int) {
			anyMoment()
			w := start(plain)
			without = append(without, w)
			added = append(added, start(injected)-w)
			if len(pods) >= kept {
				removeAll(pods)
				pods = nil
			}
		})
		removeAll(pods)
		p.Add(fmt.Sprintf("start/plain/%d", inits), without...)
		p.Add(fmt.Sprintf("start/added/%d", inits), added...)
	}
	measureWays(t, p, c)
}

// anyMoment waits for up to a second. The kubelet looks at its containers once a second: what starts one Pod after the
// other falls into step with that, and meets the same wait each time.
func anyMoment() { time.Sleep(rand.N(time.Second)) }

// startable is a Pod of that shape with a rule that concerns one container, or with init containers the whole Pod.
func startable(t *testing.T, c *testcluster.Cluster, shape results.Shape) *pod {
	t.Helper()
	action := restart
	if shape.Inits > 0 {
		action = restartAll
	}
	return newPod(t, c, shape, "peer").rule(action)
}
