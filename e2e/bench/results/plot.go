package results

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// Plot is a picture of how series are distributed, on a logarithmic scale.
type Plot struct {
	Title, Unit string
	Rows        []PlotRow
}

// PlotRow is a series in a Plot; ours are blue.
type PlotRow struct {
	Label, Series string
	Ours          bool
}

const (
	plotWidth  = 860
	labelWidth = 320
	plotMargin = 20
	rowHeight  = 26
	plotTop    = 44
)

const plotStyle = `<style>
text{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#1f2328}
.grid{stroke:#d1d9e0;stroke-width:1}.axis{fill:#59636e}.title{font-weight:bold}
.ours{stroke:#0969da;fill:#0969da}.plain{stroke:#59636e;fill:#59636e}
.range{stroke-width:1.5}.most{stroke-width:9;stroke-opacity:.3}.median{stroke:none}
</style>
`

// SVG is the picture, or nil if none of the series is there: a line from the least to the greatest value, a bar from the
// 5th percentile to the 95th, and a dot, with its figure, at the median.
func (p *Plot) SVG(set *Set) []byte {
	type line struct {
		PlotRow
		values []float64
	}
	var lines []line
	least, most := math.Inf(1), math.Inf(-1)
	for _, row := range p.Rows {
		series := set.Find(row.Series)
		if series == nil {
			continue
		}
		sorted := Sorted(series.Values)
		lines = append(lines, line{row, sorted})
		least, most = min(least, sorted[0]), max(most, sorted[len(sorted)-1])
	}
	if len(lines) == 0 || least <= 0 {
		return nil
	}
	from, to := math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
	if from == to {
		to++
	}
	right := float64(plotWidth - plotMargin - 60)
	x := func(v float64) float64 { return labelWidth + (math.Log10(v)-from)/(to-from)*(right-labelWidth) }
	height := plotTop + len(lines)*rowHeight + 40
	bottom := plotTop + len(lines)*rowHeight

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", plotWidth, height, plotWidth, height)
	fmt.Fprintf(&b, "<title>%s</title>\n%s<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n", html.EscapeString(p.Title), plotStyle)
	fmt.Fprintf(&b, "<text class=\"title\" x=\"%d\" y=\"24\">%s, %s</text>\n", plotMargin, html.EscapeString(p.Title), html.EscapeString(p.Unit))
	for e := from; e <= to; e++ {
		at := x(math.Pow(10, e))
		fmt.Fprintf(&b, "<path class=\"grid\" d=\"M%.1f,%d V%d\"/>\n", at, plotTop-8, bottom)
		fmt.Fprintf(&b, "<text class=\"axis\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>\n", at, bottom+18, format(math.Pow(10, e)))
	}
	for i, l := range lines {
		class := "plain"
		if l.Ours {
			class = "ours"
		}
		y := plotTop + i*rowHeight + rowHeight/2
		n := len(l.values)
		fmt.Fprintf(&b, "<text text-anchor=\"end\" x=\"%d\" y=\"%d\">%s</text>\n", labelWidth-12, y+4, html.EscapeString(l.Label))
		fmt.Fprintf(&b, "<path class=\"range %s\" d=\"M%.1f,%d H%.1f\"/>\n", class, x(l.values[0]), y, x(l.values[n-1]))
		fmt.Fprintf(&b, "<path class=\"most %s\" d=\"M%.1f,%d H%.1f\"/>\n", class, x(Quantile(l.values, 0.05)), y, x(Quantile(l.values, 0.95)))
		median := Quantile(l.values, 0.5)
		fmt.Fprintf(&b, "<circle class=\"median %s\" cx=\"%.1f\" cy=\"%d\" r=\"4\"/>\n", class, x(median), y)
		fmt.Fprintf(&b, "<text class=\"axis\" x=\"%.1f\" y=\"%d\">%s</text>\n", x(l.values[n-1])+8, y+4, format(median))
	}
	fmt.Fprintf(&b, "<text class=\"axis\" x=\"%d\" y=\"%d\">line: least to greatest; bar: 5th to 95th percentile; dot and figure: median</text>\n", plotMargin, height-6)
	b.WriteString("</svg>\n")
	return b.Bytes()
}
