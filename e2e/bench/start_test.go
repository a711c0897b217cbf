//go:build e2e

package bench

import (
	"fmt"
	"testing"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/wire"
)

const starts = 20

// measureStartUp makes injected Pods and the same not injected, in turns. Values are in seconds.
func measureStartUp(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	for _, inits := range []int{0, 1} {
		var without, added []float64
		shape := results.Shape{Inits: inits, Containers: 2}
		repeat(t, times(starts), func(int) {
			w := startOf(t, c, shape, plain)
			without = append(without, w)
			added = append(added, startOf(t, c, shape, injected)-w)
		})
		p.Add(fmt.Sprintf("start/plain/%d", inits), without...)
		p.Add(fmt.Sprintf("start/added/%d", inits), added...)
	}
}

// startOf is how long a Pod takes from its creation to the first instruction of its last container.
func startOf(t *testing.T, c *testcluster.Cluster, shape results.Shape, namespace string) float64 {
	t.Helper()
	action := restart
	if shape.Inits > 0 {
		action = restartAll
	}
	p := newPod(t, c, shape, "peer").rule(action).in(namespace)
	began := wire.Now()
	last := p.create().since(0)
	p.remove()
	return float64(last-began) / 1e9
}
