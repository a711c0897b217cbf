//go:build e2e

package bench

import (
	"testing"
	"time"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/testcluster"
)

const (
	ourTasks    = 1000
	ourBlock    = 5
	nativeTasks = 20
)

// tasks is one Pod that runs one short task after the other, with an init container before each: tasks per second, in
// blocks of that many.
func tasks(t *testing.T, c *testcluster.Cluster, side string, count, block int) (rates []float64) {
	t.Helper()
	p := newPod(t, c, results.Shape{Inits: 1, Containers: 1}, "task").of(side).rule(restartAll).create()
	wait := time.Now().Add(*longest)
	for len(p.stamps("main0")) < 2*(count+1) && time.Now().Before(wait) {
		time.Sleep(look)
	}
	stamps := p.stamps("main0")
	p.remove()
	for i := 0; i+block <= count && 2*(i+block) < len(stamps); i += block {
		rates = append(rates, float64(block)*1e9/float64(stamps[2*(i+block)]-stamps[2*i]))
	}
	return rates
}

func measureOurTasks(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	p.Add("tasks/ours", tasks(t, c, results.Ours, times(ourTasks), ourBlock)...)
}

func measureNativeTasks(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	p.Add("tasks/native", tasks(t, c, results.Native, times(nativeTasks), 1)...)
}
