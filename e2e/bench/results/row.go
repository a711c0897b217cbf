package results

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Statistic is what of a row a goal is about.
type Statistic string

// The statistics. Factor is how many times better the median is than the anchor's.
const (
	Median Statistic = "median"
	P99    Statistic = "p99"
	Factor Statistic = "factor"
)

// Goal is a bound of one statistic.
type Goal struct {
	Of Statistic
	// AtMost and AtLeast are bounds; one of them is set.
	AtMost, AtLeast float64
	// Profile is what profiles show where the goal is missed, in sentences; empty: nothing that is worth a word.
	Profile string
}

func (g Goal) String() string {
	what := string(g.Of) + " "
	if g.Of == Factor {
		return "≥ " + format(g.AtLeast) + "×"
	}
	if g.AtLeast > 0 {
		return what + "≥ " + format(g.AtLeast)
	}
	return what + "≤ " + format(g.AtMost)
}

func (g Goal) reached(value float64) bool {
	if g.AtLeast > 0 {
		return value >= g.AtLeast
	}
	return value <= g.AtMost
}

// Row is one line of the tables: a series, and what it is held against.
type Row struct {
	What, Unit string
	Series     string
	// Anchor is the series of what a user would have instead, and AnchorName is what that is; empty: there is none.
	Anchor, AnchorName string
	// More is better; otherwise less is.
	More  bool
	Goals []Goal
	// Exact values are counted, not sampled: the worst of them is the figure, and there is no interval.
	Exact bool
	// Optional series are not missed where they are not there.
	Optional bool
}

// Verdict is what became of a goal.
type Verdict struct {
	Goal    Goal
	Value   float64
	Reached bool
}

// Measured is a row with its figures.
type Measured struct {
	Row
	N            int
	Median, P99  Estimate
	AnchorN      int
	AnchorMedian Estimate
	// Factor is how many times better than the anchor; zero without one.
	Factor   Estimate
	Verdicts []Verdict
	// Missing says why there are no figures; AnchorMissing why there are none of the anchor.
	Missing, AnchorMissing string
	Note                   string
}

// Measure finds the row's series and judges them.
func (r Row) Measure(set *Set) Measured {
	m := Measured{Row: r}
	series := set.Find(r.Series)
	if series == nil {
		m.Missing = set.Why(r.Series)
		return m
	}
	own := Sorted(series.Values)
	m.N, m.Note = len(own), series.Note
	m.Median, m.P99 = r.estimate(own, 0.5), r.estimate(own, 0.99)
	if r.Anchor != "" {
		if anchor := set.Find(r.Anchor); anchor != nil {
			against := Sorted(anchor.Values)
			m.AnchorN, m.AnchorMedian = len(against), r.estimate(against, 0.5)
			if r.More {
				m.Factor = Ratio(own, against)
			} else {
				m.Factor = Ratio(against, own)
			}
		} else {
			m.AnchorMissing = set.Why(r.Anchor)
		}
	}
	for _, g := range r.Goals {
		value := map[Statistic]float64{Median: m.Median.Value, P99: m.P99.Value, Factor: m.Factor.Value}[g.Of]
		if g.Of == Factor && m.AnchorN == 0 {
			continue // said as AnchorMissing
		}
		m.Verdicts = append(m.Verdicts, Verdict{g, value, g.reached(value)})
	}
	return m
}

func (r Row) estimate(sorted []float64, share float64) Estimate {
	if r.Exact {
		worst := sorted[len(sorted)-1]
		if r.More {
			worst = sorted[0]
		}
		return Estimate{worst, worst, worst}
	}
	return QuantileEstimate(sorted, share)
}

// Verdict is reached, missed, or a dash where there was no goal.
func (m *Measured) Verdict() string {
	if len(m.Verdicts) == 0 {
		if len(m.Goals) > 0 {
			return "not measured"
		}
		return "–"
	}
	for _, v := range m.Verdicts {
		if !v.Reached {
			return "missed"
		}
	}
	return "reached"
}

// format is a number with three digits that count, without an exponent.
func format(v float64) string {
	switch abs := math.Abs(v); {
	case v == math.Trunc(v) && abs < 1e15, abs >= 100:
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	case abs >= 10:
		return trimmed(strconv.FormatFloat(v, 'f', 1, 64))
	case abs >= 0.1:
		return trimmed(strconv.FormatFloat(v, 'f', 2, 64))
	default:
		return trimmed(strconv.FormatFloat(v, 'f', 3, 64))
	}
}

func trimmed(text string) string { return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") }

func thousands(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && len(digits) > 4 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// String is the interval: "1.2–1.4", with an open end where there are too few measurements.
func (e Estimate) interval() string {
	switch {
	case math.IsInf(e.Low, -1) && math.IsInf(e.High, 1):
		return ""
	case math.IsInf(e.High, 1):
		return fmt.Sprintf(">= %s", format(e.Low))
	case math.IsInf(e.Low, -1):
		return fmt.Sprintf("<= %s", format(e.High))
	}
	return format(e.Low) + "–" + format(e.High)
}

// String is the value with its interval.
func (e Estimate) String() string {
	interval := e.interval()
	if interval == "" || e.Low == e.High {
		return format(e.Value)
	}
	return format(e.Value) + " (" + interval + ")"
}
