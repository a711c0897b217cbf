package differential

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/validation"
)

var (
	pods = flag.Uint64("pods", 120_000, "how many Pods and templates are compared")
	seed = flag.Uint64("seed", 1, "of the generated Pods and decisions")
)

const (
	leastInvalid = 0.40 // share
	leastHits    = 100  // of each row
	shown        = 5    // differences
)

// tally is what came out of a number of samples.
type tally struct {
	templates, invalid, undecoded, errors int
	hits                                  []int // by row
	differences                           []string
	different                             int
}

func (t *tally) add(other *tally) {
	t.templates += other.templates
	t.invalid += other.invalid
	t.undecoded += other.undecoded
	t.errors += other.errors
	t.different += other.different
	t.differences = append(t.differences, other.differences...)
	for i, n := range other.hits {
		t.hits[i] += n
	}
}

// TestValidation compares all errors of the API server's for generated Pods and templates with all of ours.
func TestValidation(t *testing.T) {
	results := map[bool]*tally{}
	for _, restartAll := range gateBoth {
		setGate(t, restartAll)
		results[restartAll] = compareAll(validation.Options{RestartAllContainers: restartAll})
	}
	for _, restartAll := range gateBoth {
		r := results[restartAll]
		share := float64(r.invalid) / float64(*pods)
		t.Logf("RestartAllContainersOnContainerExits %t: %d Pods, of them %d templates, seed %d; %d invalid (%.1f %%), of them %d that can't be decoded; %d errors; differences: %d",
			restartAll, *pods, r.templates, *seed, r.invalid, 100*share, r.undecoded, r.errors, r.different)
		require.Empty(t, r.differences[:min(shown, len(r.differences))])
		require.GreaterOrEqual(t, share, leastInvalid, "share of the invalid Pods")
	}
	var table strings.Builder
	for i := range rows {
		fmt.Fprintf(&table, "\n%-75s", rows[i].condition)
		for _, restartAll := range gateBoth {
			if !slices.Contains(rows[i].gates, restartAll) {
				fmt.Fprintf(&table, " %8s", "-")
				continue
			}
			hits := results[restartAll].hits[i]
			fmt.Fprintf(&table, " %8d", hits)
			if hits < leastHits {
				t.Errorf("%s: %d Pods, want %d (gate %t)", rows[i].condition, hits, leastHits, restartAll)
			}
		}
	}
	t.Logf("Pods by what Kubernetes says of them (gate off, gate on):%s", table.String())
}

// compareAll compares all samples, on all processors.
func compareAll(opts validation.Options) *tally {
	workers := runtime.GOMAXPROCS(0)
	tallies := make([]tally, workers)
	var done sync.WaitGroup
	for w := range workers {
		done.Go(func() {
			t := &tallies[w]
			t.hits = make([]int, len(rows))
			for number := uint64(w); number < *pods; number += uint64(workers) {
				t.compare(number, opts)
			}
		})
	}
	done.Wait()
	sum := &tally{hits: make([]int, len(rows))}
	for i := range tallies {
		sum.add(&tallies[i])
	}
	return sum
}

func (t *tally) compare(number uint64, opts validation.Options) {
	s := generate(*seed, number)
	spec, want, wantErr := upstream(s.json, s.root)
	got, gotErr := ours(s.json, s.root, opts)
	if s.root != nil {
		t.templates++
	}
	if len(want) > 0 || wantErr != nil {
		t.invalid++
	}
	if wantErr != nil {
		t.undecoded++
	}
	t.errors += len(want)
	for i := range rows {
		if slices.Contains(rows[i].gates, opts.RestartAllContainers) && rows[i].hit(&s, spec, want, wantErr) {
			t.hits[i]++
		}
	}
	wantTexts, gotTexts := texts(want), texts(got)
	if slices.Equal(wantTexts, gotTexts) && (wantErr == nil) == (gotErr == nil) {
		return
	}
	t.different++
	if len(t.differences) < shown {
		t.differences = append(t.differences, fmt.Sprintf("number %d at %v: %s\nKubernetes: %v\n%s\nours: %v\n%s\n",
			number, s.root, s.json, wantErr, strings.Join(wantTexts, "\n"), gotErr, strings.Join(gotTexts, "\n")))
	}
}
