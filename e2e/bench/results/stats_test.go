package results

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// upTo is 1, 2, … n.
func upTo(n int) (values []float64) {
	for i := range n {
		values = append(values, float64(i+1))
	}
	return values
}

func TestQuantile(t *testing.T) {
	for _, test := range []struct {
		n     int
		share float64
		want  float64
	}{{1, 0.5, 1}, {2, 0.5, 1}, {3, 0.5, 2}, {100, 0.99, 99}, {100, 1, 100}, {100, 0, 1}, {7, 0.99, 7}} {
		require.Equal(t, test.want, Quantile(upTo(test.n), test.share), "%d values, %g", test.n, test.share)
	}
}

// TestQuantileEstimate: the ranks that tables of order statistics have, and no bound that the measurements don't give.
func TestQuantileEstimate(t *testing.T) {
	require.Equal(t, Estimate{50, 40, 61}, QuantileEstimate(upTo(100), 0.5))
	require.Equal(t, Estimate{5, 2, 9}, QuantileEstimate(upTo(10), 0.5))
	few := QuantileEstimate(upTo(4), 0.5)
	require.True(t, math.IsInf(few.Low, -1) && math.IsInf(few.High, 1))
	p99 := QuantileEstimate(upTo(200), 0.99)
	require.Equal(t, 198.0, p99.Value)
	require.True(t, math.IsInf(p99.High, 1), "200 measurements don't bound the 99th percentile from above")
}

// TestIntervalsCover: 95 of 100 intervals have the true median in them, whatever the distribution.
func TestIntervalsCover(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	covered, runs := 0, 2000
	for range runs {
		values := make([]float64, 41)
		for i := range values {
			values[i] = random.ExpFloat64()
		}
		e := QuantileEstimate(Sorted(values), 0.5)
		if e.Low <= math.Ln2 && math.Ln2 <= e.High {
			covered++
		}
	}
	require.GreaterOrEqual(t, float64(covered)/float64(runs), 0.945)
}

func TestRatio(t *testing.T) {
	a, b := upTo(101), upTo(101)
	for i := range b {
		b[i] *= 10
	}
	r := Ratio(b, a)
	require.Equal(t, 10.0, r.Value)
	require.True(t, 5 < r.Low && r.Low < 10 && 10 < r.High && r.High < 20, "%v", r)
	require.Equal(t, r, Ratio(b, a), "the same each time")
	alone := Ratio([]float64{4}, []float64{2})
	require.True(t, alone.Value == 2 && math.IsInf(alone.Low, -1))
}
