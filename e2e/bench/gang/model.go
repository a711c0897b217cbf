// Package gang predicts how long a gang of Pods takes to be back: those of one node, from smaller ones on that node, and
// those of many nodes, from measurements of one.
package gang

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"restartrules.dev/e2e/bench/results"
)

// Node is how long the last of several Pods takes that restart on one node at the same moment: Alone, which one of them takes;
// Each for every other one, for which they all want the node's processors, or its kubelet; and Crowd for every two of the
// others, because who waits is looked after, too, and finds the processors' caches full of others.
type Node struct{ Alone, Each, Crowd float64 }

// Predict is how long that many Pods take.
func (n Node) Predict(pods int) float64 {
	others := float64(pods - 1)
	return n.Alone + n.Each*others + n.Crowd*others*others
}

// Fit makes a model of measurements: the median time by the number of Pods, of one and of at least two other numbers. Least
// squares of the relative error: a tenth is a tenth, of little and of much.
func Fit(medians map[int]float64) Node {
	n := Node{Alone: medians[1]}
	var xx, xxx, xxxx, xy, xxy float64
	for pods, t := range medians {
		x, y, weight := float64(pods-1), t-n.Alone, 1/(t*t)
		xx += weight * x * x
		xxx += weight * x * x * x
		xxxx += weight * x * x * x * x
		xy += weight * x * y
		xxy += weight * x * x * y
	}
	d := xx*xxxx - xxx*xxx
	n.Each, n.Crowd = (xy*xxxx-xxy*xxx)/d, (xxy*xx-xy*xxx)/d
	return n
}

// tailFrom is the share of measurements from which on they are taken for the beginning of a tail.
const tailFrom = 0.95

// Fleet are many nodes, with one Pod of a gang on each, that restart at the same moment and don't hinder each other.
type Fleet struct {
	sorted []float64
	// Of the tail: where it begins, and how much longer than that the restarts in it take on average.
	from, excess float64
}

// NewFleet makes one of how long single restarts took. What is beyond the 95th percentile is taken for an exponential
// tail of the measured mean, so that more nodes than measurements find worse than was measured.
func NewFleet(times []float64) Fleet {
	f := Fleet{sorted: results.Sorted(times)}
	f.from = results.Quantile(f.sorted, tailFrom)
	beyond := 0
	for _, t := range f.sorted {
		if t > f.from {
			f.excess += t - f.from
			beyond++
		}
	}
	if beyond > 0 {
		f.excess /= float64(beyond)
	}
	return f
}

// quantile is the time that a share of restarts doesn't exceed.
func (f Fleet) quantile(share float64) float64 {
	if share < tailFrom || f.excess == 0 {
		return results.Quantile(f.sorted, share)
	}
	return f.from - f.excess*math.Log((1-share)/(1-tailFrom))
}

// Last plays runs restarts of a gang of that many nodes, and returns how long each took until the last node was back,
// sorted. The largest of n independent draws is drawn at once: its share is the n-th root of a uniform one.
func (f Fleet) Last(nodes, runs int) []float64 {
	random := rand.New(rand.NewPCG(uint64(nodes), uint64(runs)))
	last := make([]float64, runs)
	for i := range last {
		last[i] = f.quantile(math.Pow(random.Float64(), 1/float64(nodes)))
	}
	slices.Sort(last)
	return last
}

// NodeHours is what a gang of that many nodes costs that waits for so many seconds.
func NodeHours(nodes int, seconds float64) float64 { return float64(nodes) * seconds / 3600 }

// Sizes are the numbers of Pods of measured series, PREFIX/PODS/SIDE, ascending.
func Sizes(medians map[int]float64) []int {
	var sizes []int
	for pods := range medians {
		sizes = append(sizes, pods)
	}
	sort.Ints(sizes)
	return sizes
}
