package machine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	runs = flag.Int("machine.runs", 1_000_000, "how many interleavings to explore")
	seed = flag.Uint64("machine.seed", 0, "explore only the interleaving of this seed, and print it")
)

// TestSimulation explores seeded interleavings of messages, exits, probes, deletions, demands, and of
// watchers and shims that are killed at any point, a watcher also between two effects of one step. In
// each it holds what world.started checks at every start, and world.settled at the end.
func TestSimulation(t *testing.T) {
	if *seed != 0 {
		if err := simulate(*seed, func(format string, args ...any) { t.Logf(format, args...) }, new(faults)); err != nil {
			t.Fatal(err)
		}
		return
	}
	n := uint64(*runs) / slower
	if testing.Short() {
		n /= 100
	}
	var workers sync.WaitGroup
	var failed atomic.Bool
	var total [64]faults
	parts := uint64(runtime.GOMAXPROCS(0))
	for part := range parts {
		workers.Go(func() {
			for s := part + 1; s <= n && !failed.Load(); s += parts {
				if err := simulate(s, nil, &total[part%64]); err != nil {
					failed.Store(true)
					t.Errorf("go test ./pkg/watcher/machine -run Simulation -args -machine.seed=%d: %v", s, err)
				}
			}
		})
	}
	workers.Wait()
	var sum faults
	for i := range total {
		sum.add(&total[i])
	}
	t.Logf("%d interleavings, %d events: watchers killed %d, shims killed %d; restarts %d, Pods that ended %d, failed %d, were deleted %d",
		n, sum.events, sum.watchers, sum.shims, sum.restarts, sum.ended, sum.failed, sum.deleted)
	for name, count := range map[string]int{"watchers killed": sum.watchers, "shims killed": sum.shims, "restarts": sum.restarts,
		"ended": sum.ended, "failed": sum.failed, "deleted": sum.deleted} {
		if count == 0 && !failed.Load() {
			t.Errorf("no interleaving had: %s", name)
		}
	}
}

type faults struct{ events, watchers, shims, restarts, ended, failed, deleted int }

func (f *faults) add(g *faults) {
	f.events += g.events
	f.watchers += g.watchers
	f.shims += g.shims
	f.restarts += g.restarts
	f.ended += g.ended
	f.failed += g.failed
	f.deleted += g.deleted
}

// simulate plays one interleaving. log may be nil.
func simulate(seed uint64, log func(string, ...any), f *faults) error {
	w := newWorld(rand.New(rand.NewPCG(seed, 1)), log, f)
	for range 30 + w.rng.IntN(120) {
		if w.step(); w.err != nil {
			return w.err
		}
	}
	w.drain()
	return w.err
}

func (w *world) failf(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}
