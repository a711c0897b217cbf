package results

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Extra is what a page has beside what Sections say: text about a section that was computed from its figures.
type Extra struct {
	// Section is the title of the section that it belongs to.
	Section string
	Text    string
	// Missed are goals that it found missed, a line each.
	Missed []string
}

// busy is the share of the processors in use by others from which on figures are said to be of a busy machine.
const busy = 0.15

// Page is the page of the documentation. Pictures are those in dir, a path as the page has it.
func Page(set *Set, sections []Section, extras []Extra, dir string) string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n" + wrap("Written by `make bench`, from what it measured. Run it yourself: figures of one machine say "+
		"little of another; ratios say more.") + "\n")
	shortfalls(&b, set, sections, extras)
	machine(&b, set)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.Title, wrap(s.About))
		if s.PlotName != "" && s.Plot.SVG(set) != nil {
			fmt.Fprintf(&b, "\n![%s](%s/%s.svg)\n", s.Plot.Title, dir, s.PlotName)
		}
		rows := [][]string{head}
		for _, r := range s.Rows {
			m := r.Measure(set)
			rows = append(rows, m.cells())
		}
		b.WriteString("\n" + markdown(rows))
		if matrix := s.Matrix.Cells(set); matrix != nil {
			b.WriteString("\n" + markdown(matrix))
		}
		for _, extra := range extras {
			if extra.Section == s.Title {
				b.WriteString("\n" + extra.Text)
			}
		}
	}
	b.WriteString("\n" + howToRead)
	return b.String()
}

func shortfalls(b *strings.Builder, set *Set, sections []Section, extras []Extra) {
	missed, unmeasured := Shortfalls(sections, set)
	for _, extra := range extras {
		missed = append(missed, extra.Missed...)
	}
	if len(missed) == 0 && len(unmeasured) == 0 {
		b.WriteString("\nAll goals were reached.\n")
	}
	list := func(head string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(b, "\n**%s**\n\n", head)
		for _, line := range lines {
			b.WriteString(bullet(line))
		}
	}
	list("Missed:", missed)
	list("Not measured:", unmeasured)
}

func machine(b *strings.Builder, set *Set) {
	if len(set.Parts) == 0 {
		return
	}
	m := set.Parts[0].Machine
	var loaded []string
	var took time.Duration
	var from, to time.Time
	for i, p := range set.Parts {
		took += p.Took
		if i == 0 || p.Began.Before(from) {
			from = p.Began
		}
		if p.Began.After(to) {
			to = p.Began
		}
		if p.Machine.Busy > busy || p.Machine.Stolen > busy {
			loaded = append(loaded, fmt.Sprintf("`%s` (%.0f %% used by others before it, %.0f %% stolen by the hypervisor meanwhile)", p.Name, 100*p.Machine.Busy, 100*p.Machine.Stolen))
		}
	}
	b.WriteString("\n## Machine\n\n")
	b.WriteString(wrap(fmt.Sprintf("%d × %s, %s MB of memory, %s, kernel %s, %s; measured on %s in %.0f minutes.",
		m.Processors, m.Processor, thousands(fmt.Sprint(m.MemoryMB)), m.System, m.Kernel, m.Go, days(from, to), took.Minutes())) + "\n")
	if len(loaded) == 0 {
		b.WriteString("\nNothing else of weight ran on it.\n")
	} else {
		b.WriteString("\n**The machine was busy with something else: take these figures for what they are.**\n\n")
		for _, line := range loaded {
			b.WriteString(bullet(line))
		}
	}
	rows := [][]string{{"part", "command", "took"}}
	for _, p := range set.Parts {
		rows = append(rows, []string{p.Name, "`" + p.Command + "`", fmt.Sprintf("%.0f s", p.Took.Seconds())})
	}
	b.WriteString("\n" + markdown(rows))
}

func days(from, to time.Time) string {
	first, last := from.UTC().Format(time.DateOnly), to.UTC().Format(time.DateOnly)
	if first == last {
		return first
	}
	return first + " to " + last
}

const howToRead = `## How to read it

*n* is how often it was measured. Intervals are at 95 %: of medians and percentiles by order statistics, which assume
nothing of the distribution; of ratios by a bootstrap with a fixed seed. ">= x" is an interval without an upper end,
because n is too small for one. *Times better* is the ratio of the medians, above 1 where ours is better. A goal is
judged by the figure itself, not by the end of its interval.
`

// width is how long lines of text are.
const width = 118

// wrap breaks text into lines.
func wrap(text string) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if len([]rune(line))+1+len([]rune(word)) > width && line != "" {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}

// bullet is an item of a list.
func bullet(text string) string {
	lines := strings.Split(wrap(text), "\n")
	return "- " + strings.Join(slices.Concat(lines[:1], indented(lines[1:])), "\n") + "\n"
}

func indented(lines []string) (out []string) {
	for _, line := range lines {
		out = append(out, "  "+line)
	}
	return out
}
