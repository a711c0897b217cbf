//go:build e2e

package bench

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/wire"
)

const (
	// starts is how often injected Pods are made, without and with an init container; each takes seconds. startsInTurn of them
	// come after one that is not injected.
	starts, startsInTurn = 200, 8
	// startsAtOnce is how many are measured at once.
	startsAtOnce = 3
	// kept is how many Pods may stay before all are removed at once. They wait, which takes nothing; what the end of each takes
	// would disturb the next start, or be waited for. A node has room for 110.
	kept = 84
)

// measureStartUp makes injected Pods and the same not injected, in turns. Values are in seconds.
func measureStartUp(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	for inits := range 2 {
		var without, added []float64
		shape := results.Shape{Inits: inits, Containers: 2}
		startInTurns(t, times(starts/startsInTurn), 1+startsInTurn, func(t *testing.T, start func(*pod) float64) {
			w := start(startable(t, c, shape).in(plain))
			without = append(without, w)
			for range startsInTurn {
				added = append(added, start(startable(t, c, shape).in(injected))-w)
			}
		})
		p.Add(fmt.Sprintf("start/plain/%d", inits), without...)
		p.Add(fmt.Sprintf("start/added/%d", inits), added...)
	}
	measureWays(t, p, c)
}

// startInTurns calls turn that often, several at once. start makes a Pod, of which each turn may have that many, and returns
// how long it takes until all its programs run, in s. What turn does beside that is guarded by a lock.
func startInTurns(t *testing.T, times, pods int, turn func(t *testing.T, start func(*pod) float64)) {
	t.Helper()
	for times > 0 {
		n := min(times, kept/pods)
		times -= n
		turns := make(chan struct{}, n)
		for range n {
			turns <- struct{}{}
		}
		close(turns)
		var made []*pod
		lanes(t, "starts", startsAtOnce, func(t *testing.T, lane *sync.Mutex) {
			lane.Lock()
			defer lane.Unlock()
			for range turns {
				turn(t, func(p *pod) float64 {
					made = append(made, p)
					lane.Unlock()
					defer lane.Lock()
					anyMoment()
					began := wire.Now()
					return float64(p.create().since(0)-began) / 1e9
				})
			}
		})
		removeAll(t, made)
	}
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
