package gang

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/bench/results"
)

func TestFit(t *testing.T) {
	made := Node{Alone: 0.9, Each: 0.2, Crowd: 0.01}
	medians := map[int]float64{}
	for _, pods := range Calibration {
		medians[pods] = made.Predict(pods)
	}
	n := Fit(medians)
	require.InDelta(t, made.Alone, n.Alone, 1e-9)
	require.InDelta(t, made.Each, n.Each, 1e-9)
	require.InDelta(t, made.Crowd, n.Crowd, 1e-9)
}

// TestLast: the last of many nodes is later than of few, and of one it is as was measured.
func TestLast(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var times []float64
	for range 500 {
		times = append(times, 1+random.ExpFloat64())
	}
	f := NewFleet(times)
	one := f.Last(1, 10_000)
	require.InEpsilon(t, results.Quantile(results.Sorted(times), 0.5), results.Quantile(one, 0.5), 0.05)
	// The median of the largest of n exponential draws is ln(n / ln 2).
	thousand, more := results.Quantile(f.Last(1000, 10_000), 0.5), results.Quantile(f.Last(10_000, 10_000), 0.5)
	require.InEpsilon(t, 1+7.27, thousand, 0.2)
	require.InEpsilon(t, 1+9.58, more, 0.2)
	require.Equal(t, thousand, results.Quantile(f.Last(1000, 10_000), 0.5), "the same each time")
}

// TestReport: nothing is extrapolated from a model that doesn't predict what was measured.
func TestReport(t *testing.T) {
	for largest, trusted := range map[float64]bool{7.1: true, 8.5: true, 9.0: false} {
		var p results.Part
		for i, pods := range Calibration {
			p.Add(Series(pods, results.Native), []float64{0.9, 2.3, 3.9, 5.5}[i])
		}
		p.Add(Series(Largest, results.Native), largest)
		p.Add(results.Shape{Inits: 1, Containers: 2}.Series(results.Native), 1900, 2000, 2100)
		set := &results.Set{Parts: []results.Part{p}}
		text, missed := Report(set)
		require.Equal(t, trusted, len(missed) == 0, "%v", missed)
		require.Equal(t, trusted, set.Find(FleetSeries(1000, "kubelet 1.36.3")) != nil)
		require.Contains(t, text, "\n| native | 1 | 0.900 s | 0.2000 s | ")
		require.Contains(t, text, fmt.Sprintf(" | 7.10 s | %.2f s | ", largest))
	}
	text, _ := Report(&results.Set{})
	require.Empty(t, text)
}
