package main

import (
	"bytes"
	"fmt"
	"html"
	"strings"
)

// What a character is wide and a line is high, in the pictures' only font.
const (
	charWidth  = 7
	lineHeight = 16
)

// diagram is a picture: boxes, lines between them, and words.
type diagram struct {
	title         string
	width, height int
	boxes         []box
	arrows        []arrow
	labels        []label
}

// box has text in it, centred, or at its top if it holds other boxes.
type box struct {
	x, y, w, h int
	text       string
	look       look
}

type look string

const (
	plain  look = "plain"  // what a user has anyway
	ours   look = "ours"   // what we add
	frame  look = "frame"  // what holds others
	ending look = "ending" // where it is over
)

// arrow goes along points, x and y in turn. The words are at labelX, labelY.
type arrow struct {
	points []int
	dashed bool
}

// label is text that begins at x and has its base line at y.
type label struct {
	x, y int
	text string
}

const style = `<style>
text{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#1f2328}
.plain{fill:#f6f8fa;stroke:#59636e}.ours{fill:#ddf4ff;stroke:#0969da}.ending{fill:#ffebe9;stroke:#cf222e}
.frame{fill:#ffffff;stroke:#59636e;stroke-dasharray:4 3}
path{fill:none;stroke:#1f2328;stroke-width:1.2}.dashed{stroke-dasharray:5 3}.label{fill:#59636e}
</style>
<defs><marker id="head" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto"><path d="M0,0 L9,4 L0,8 Z" style="fill:#1f2328;stroke:none"/></marker></defs>
`

// svg is the picture, for light and dark pages: its ground is white.
func (d *diagram) svg() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n",
		d.width, d.height, d.width, d.height)
	fmt.Fprintf(&b, "<title>%s</title>\n%s<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n", html.EscapeString(d.title), style)
	for _, box := range d.boxes {
		box.svg(&b)
	}
	for _, a := range d.arrows {
		class := ""
		if a.dashed {
			class = ` class="dashed"`
		}
		var path strings.Builder
		for i := 0; i+1 < len(a.points); i += 2 {
			letter := "L"
			if i == 0 {
				letter = "M"
			}
			fmt.Fprintf(&path, "%s%d,%d ", letter, a.points[i], a.points[i+1])
		}
		fmt.Fprintf(&b, "<path%s d=\"%s\" marker-end=\"url(#head)\"/>\n", class, strings.TrimSpace(path.String()))
	}
	for _, l := range d.labels {
		for i, line := range strings.Split(l.text, "\n") {
			fmt.Fprintf(&b, "<text class=\"label\" x=\"%d\" y=\"%d\">%s</text>\n", l.x, l.y+i*lineHeight, html.EscapeString(line))
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (x *box) svg(b *bytes.Buffer) {
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", x.look, x.x, x.y, x.w, x.h)
	lines := strings.Split(x.text, "\n")
	top := x.y + (x.h-len(lines)*lineHeight)/2 + lineHeight - 4
	anchor, left := "middle", x.x+x.w/2
	if x.look == frame {
		top, anchor, left = x.y+lineHeight+2, "start", x.x+10
	}
	for i, line := range lines {
		weight := ""
		if i == 0 {
			weight = ` font-weight="bold"`
		}
		fmt.Fprintf(b, "<text%s text-anchor=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n", weight, anchor, left, top+i*lineHeight, html.EscapeString(line))
	}
}
