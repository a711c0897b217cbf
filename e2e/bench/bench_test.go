//go:build e2e

package bench

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"restartrules.dev/e2e/bench/results"
)

const (
	root = "../.."
	// resultsDir is where what was measured is kept.
	resultsDir = root + "/bin/bench"
)

var (
	scale   = flag.Float64("scale", 1, "share of the repetitions, to try it out")
	atRest  = flag.Duration("at-rest", time.Minute, "how long is waited for a machine at rest before each part")
	longest = flag.Duration("longest", 8*time.Minute, "after which a series ends with what it has")
)

func TestMain(m *testing.M) {
	if os.Getenv(defaulterEnv) != "" {
		serveDefaulter()
		return
	}
	os.Exit(m.Run())
}

// times is how often something is measured.
func times(n int) int { return max(3, int(float64(n)**scale)) }

// repeat calls f n times, or until it has taken too long.
func repeat(t *testing.T, n int, f func(i int)) {
	t.Helper()
	began := time.Now()
	for i := range n {
		if time.Since(began) > *longest {
			t.Logf("ended after %d of %d: it took longer than %s", i, n, *longest)
			return
		}
		f(i)
	}
}

// lanes does the same in several goroutines, each a test of its own, and waits for all. lane guards what they share. For Pods
// that wait for the kubelet nearly all the time. -parallel, as make bench has it, must allow as many.
func lanes(t *testing.T, name string, count int, do func(t *testing.T, lane *sync.Mutex)) {
	t.Helper()
	lane := new(sync.Mutex)
	t.Run(name, func(t *testing.T) {
		for i := range count {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				do(t, lane)
			})
		}
	})
}

// part measures a part of the rows and keeps what it has measured, even if it fails on the way. side says where: alone,
// without a cluster, or whose restarts. prepare, if it is not nil, makes what it needs, before the machine comes to rest.
func part(t *testing.T, side, row string, prepare func(t *testing.T), measure func(t *testing.T, p *results.Part)) {
	t.Run(row+"/"+side, func(t *testing.T) {
		if runtime.GOARCH != "amd64" {
			t.Skip("the programs that are started are machine code for amd64")
		}
		if prepare != nil {
			prepare(t)
		}
		p := &results.Part{Name: row + "-" + side, Command: "make bench ROWS=" + row, Machine: describe(t)}
		p.Machine.Busy = settle(t, *atRest)
		p.Began = time.Now().UTC().Truncate(time.Second)
		before := processorTicks(t)
		defer func() {
			p.Took = time.Since(p.Began)
			now := processorTicks(t)
			p.Machine.Stolen = float64(now.stolen-before.stolen) / float64(max(now.all-before.all, 1))
			if t.Failed() {
				for _, s := range seriesOf[row] {
					p.Miss(s, "its benchmark failed")
				}
			}
			if err := p.Save(resultsDir); err != nil {
				t.Error(err)
			}
			for _, s := range p.Series {
				sorted := results.Sorted(s.Values)
				t.Logf("%s: n %d, median %.4g, p99 %.4g; %.0f s", s.Name, len(sorted), results.Quantile(sorted, 0.5), results.Quantile(sorted, 0.99), s.Took.Seconds())
			}
			for _, m := range p.Missing {
				t.Logf("missing %s: %s", m.Series, m.Why)
			}
		}()
		measure(t, p)
	})
}

// seriesOf are the beginnings of the names of a row's series, where they are others than its own name.
var seriesOf = map[string][]string{
	"restarts": {"restart", "restartall", "recreate"}, "process": {"process"}, "footprint": {"footprint"},
	"tasks": {"tasks"}, "admission": {"admission"}, "creations": {"creations"}, "start": {"start"}, "gang": {"gang"},
}

// absolute is a path of the repository that is good everywhere.
func absolute(t *testing.T, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{root}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(path, "/")
}
