package results

import (
	"math"
	"math/rand/v2"
	"slices"
)

// confidence is that of all intervals.
const confidence = 0.95

// Estimate is a figure and its 95 % interval. Low is -Inf and High is +Inf where there are too few measurements to say.
type Estimate struct{ Value, Low, High float64 }

// Sorted are values in ascending order; the argument stays as it is.
func Sorted(values []float64) []float64 { return slices.Sorted(slices.Values(values)) }

// Quantile is the smallest value that at least that share of the sorted values doesn't exceed. There must be one.
func Quantile(sorted []float64, share float64) float64 {
	i := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// QuantileEstimate is a quantile of sorted values with the interval that order statistics give, whatever the
// distribution: how many of n values are below the true quantile is binomial.
func QuantileEstimate(sorted []float64, share float64) Estimate {
	e := Estimate{Quantile(sorted, share), math.Inf(-1), math.Inf(1)}
	const tail = (1 - confidence) / 2
	n := len(sorted)
	below := 0.0 // the probability that at most k values are below the quantile
	for k := range n {
		below += binomial(n, k, share)
		// sorted[k] is above the true quantile with the probability that at most k values are below it.
		if below <= tail {
			e.Low = sorted[k]
		}
		if below >= 1-tail {
			e.High = sorted[k]
			break
		}
	}
	return e
}

// binomial is the probability of k in n.
func binomial(n, k int, p float64) float64 {
	all, _ := math.Lgamma(float64(n + 1))
	in, _ := math.Lgamma(float64(k + 1))
	out, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(all - in - out + float64(k)*math.Log(p) + float64(n-k)*math.Log(1-p))
}

// resamples is how often the bootstrap draws.
const resamples = 2000

// Ratio is the median of one over the median of the other, both sorted, with the interval of a bootstrap. The same
// measurements give the same interval. A single measurement on each side has none.
func Ratio(over, under []float64) Estimate {
	e := Estimate{Quantile(over, 0.5) / Quantile(under, 0.5), math.Inf(-1), math.Inf(1)}
	if len(over) < 2 && len(under) < 2 {
		return e
	}
	random := rand.New(rand.NewPCG(1, 2))
	ratios := make([]float64, resamples)
	for i := range ratios {
		ratios[i] = medianOfDraw(random, over) / medianOfDraw(random, under)
	}
	slices.Sort(ratios)
	e.Low, e.High = Quantile(ratios, (1-confidence)/2), Quantile(ratios, (1+confidence)/2)
	return e
}

// medianOfDraw is the median of as many values drawn with replacement. In sorted values it is enough to draw indexes and
// to find the middle one.
func medianOfDraw(random *rand.Rand, sorted []float64) float64 {
	counts := make([]int, len(sorted))
	for range sorted {
		counts[random.IntN(len(sorted))]++
	}
	seen := 0
	for i, count := range counts {
		if seen += count; 2*seen >= len(sorted) {
			return sorted[i]
		}
	}
	return sorted[len(sorted)-1]
}
