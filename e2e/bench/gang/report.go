package gang

import (
	"fmt"
	"math"
	"strings"

	"restartrules.dev/e2e/bench/results"
)

const (
	// Largest is the gang that is predicted and measured. Smaller ones make the model.
	Largest = 32
	// tolerance is how far off a prediction may be, as a share of what was measured.
	tolerance = 0.20
	// runs is how often a fleet's restart is played.
	runs = 10_000
	// shown is how many of them pictures are drawn of.
	shown = 1000
)

// Calibration are the sizes that the model is made of.
var Calibration = []int{1, 8, 16, 24}

// Series is the name of the series of gangs of that size, in seconds.
func Series(pods int, side string) string { return fmt.Sprintf("gang/%d/%s", pods, side) }

// fleets are the sizes that are extrapolated to.
var fleets = []int{1000, 10_000}

// FleetSeries is the name of the computed series of the restarts of that many nodes, in seconds.
func FleetSeries(nodes int, alternative string) string {
	return fmt.Sprintf("gang/fleet/%d/%s", nodes, alternative)
}

// alternative is something that a gang can be restarted by, and the series of single restarts, in units of seconds.
type alternative struct {
	name, series string
	unit         float64
}

var alternatives = []alternative{
	{"in place, ours", results.Shape{Inits: 1, Containers: 2}.Series(results.Ours), 1e-3},
	{"kubelet 1.36.3", results.Shape{Inits: 1, Containers: 2}.Series(results.Native), 1e-3},
	{"Pod deleted, made again", "recreate/deployment", 1e-3},
}

const modelText = `**The model.** *One node*: the last of *P* Pods that restart on a node at the same moment is back after
*w + s·(P-1) + q·(P-1)²*. *w* is what a Pod takes that is alone, as measured; *s* is what each other one adds, because
all want the same processors and the same kubelet; *q* is what they are in each other's way beyond that. Both are
fitted, by least squares of the relative error, to the medians of gangs of 8, 16 and 24 Pods, and have to predict the
gang of 32, which the fit has not seen, within 20 %.

*Many nodes*: a gang has one Pod on each, and nodes don't hinder each other. So the time until the last is back is the
largest of as many independent draws from the measured times of single restarts (1 init container, 2 containers).
Beyond their 95th percentile an exponential tail of the measured mean excess is drawn from, so that 10,000 nodes find
worse than was ever measured; 10,000 such gangs are drawn of each size. Not in it, and the same for all: that the
others of the gang notice, the rendezvous, the checkpoint. Not in it, and for new Pods only: the limits of API server,
controllers and scheduler, which at these sizes take longer than the node does; so that line is a lower bound.
`

// Report says what the model is, how well it predicts, and what it says of many nodes. It is empty without measurements.
// missed are predictions that are too far off: then nothing is extrapolated of that side. What is extrapolated becomes
// the set's, for pictures.
func Report(set *results.Set) (text string, missed []string) {
	var nodes, many strings.Builder
	trusted := map[string]bool{}
	for _, side := range []string{results.Ours, results.Native} {
		medians, least := map[int]float64{}, math.MaxInt
		for _, pods := range Calibration {
			if s := set.Find(Series(pods, side)); s != nil {
				medians[pods] = results.Quantile(results.Sorted(s.Values), 0.5)
				least = min(least, len(s.Values))
			}
		}
		measured := set.Find(Series(Largest, side))
		if len(medians) < len(Calibration) || measured == nil {
			continue
		}
		model, real := Fit(medians), results.Quantile(results.Sorted(measured.Values), 0.5)
		predicted := model.Predict(Largest)
		off := predicted/real - 1
		fmt.Fprintf(&nodes, "| %s | %d | %.3f s | %.4f s | %.5f s | %.2f s | %.2f s | %+.0f %% |\n", side, least, model.Alone, model.Each, model.Crowd, predicted, real, 100*off)
		trusted[side] = math.Abs(off) <= tolerance
		if !trusted[side] {
			missed = append(missed, fmt.Sprintf("Gangs: the model of one node predicts %.2f s for %d Pods (%s), measured %.2f s: %+.0f %%, allowed 20 %%; nothing is extrapolated from it",
				predicted, Largest, side, real, 100*off))
		}
	}
	if nodes.Len() == 0 {
		return "", nil
	}
	for _, count := range fleets {
		for _, a := range alternatives {
			series := set.Find(a.series)
			if series == nil || !trusted[sideOf(a.series)] {
				continue
			}
			last := NewFleet(series.Values).Last(count, runs)
			values := make([]float64, 0, shown)
			for i := range shown {
				values = append(values, last[i*len(last)/shown]*a.unit)
			}
			set.Computed = append(set.Computed, results.Series{Name: FleetSeries(count, a.name), Values: values})
			median, p99 := results.Quantile(last, 0.5)*a.unit, results.Quantile(last, 0.99)*a.unit
			fmt.Fprintf(&many, "| %d | %s | %s | %s | %s |\n", count, a.name, seconds(median), seconds(p99), seconds2(NodeHours(count, median)))
		}
	}
	text = modelText + "\n| one node | n of each size, at least | w | s | q | 32 Pods predicted | measured | off by |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n" + nodes.String()
	if many.Len() > 0 {
		text += "\n| nodes | restarted | the last is back after, median | p99 | node-hours lost per restart, median |\n| --- | --- | --- | --- | --- |\n" + many.String()
	}
	return text, missed
}

// sideOf is whose prediction stands for a series: what is made again is the kubelet's work, too.
func sideOf(series string) string {
	if strings.HasSuffix(series, "/"+results.Ours) {
		return results.Ours
	}
	return results.Native
}

func seconds(v float64) string {
	if v < 0.1 {
		return fmt.Sprintf("%.1f ms", 1000*v)
	}
	return fmt.Sprintf("%.2f s", v)
}

func seconds2(v float64) string {
	if v < 0.1 {
		return fmt.Sprintf("%.4f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
