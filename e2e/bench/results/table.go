package results

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// head are the columns of tables of rows.
var head = []string{"what", "n", "median (95 %)", "p99 (95 %)", "goal", "against", "its n", "its median (95 %)", "times better (95 %)", "goal is"}

// cells are the columns of a row.
func (m *Measured) cells() []string {
	if m.Missing != "" {
		return []string{m.What, "–", m.Missing, "", m.goals(), m.AnchorName, "", "", "", m.Verdict()}
	}
	c := []string{m.What, fmt.Sprint(m.N), withUnit(m.Median, m.Unit), withUnit(m.P99, m.Unit), m.goals(), m.AnchorName, "", "", "", m.Verdict()}
	if m.Exact || m.N == 1 {
		c[3] = ""
	}
	switch {
	case m.AnchorMissing != "":
		c[7] = m.AnchorMissing
	case m.AnchorN > 0:
		c[6], c[7], c[8] = fmt.Sprint(m.AnchorN), withUnit(m.AnchorMedian, m.Unit), m.Factor.String()
	}
	return c
}

func (m *Measured) goals() string {
	var goals []string
	for _, g := range m.Goals {
		goals = append(goals, g.String())
	}
	return strings.Join(goals, ", ")
}

func withUnit(e Estimate, unit string) string {
	if unit == "" {
		return e.String()
	}
	interval := e.interval()
	if interval == "" || e.Low == e.High {
		return format(e.Value) + " " + unit
	}
	return format(e.Value) + " " + unit + " (" + interval + ")"
}

// Cells is the Matrix with its head, where anything of a subject was measured; for others it says why not.
func (x *Matrix) Cells(set *Set) [][]string {
	if len(x.Subjects) == 0 {
		return nil
	}
	rows := [][]string{{""}}
	for _, c := range x.Columns {
		rows[0] = append(rows[0], c.What)
	}
	for _, s := range x.Subjects {
		row, any := []string{s.What}, false
		for _, c := range x.Columns {
			series := set.Find(x.Prefix + "/" + s.Name + "/" + c.Name)
			if series == nil {
				row = append(row, "")
				continue
			}
			any = true
			row = append(row, format(Quantile(Sorted(series.Values), 0.5)))
		}
		if !any {
			row[1] = set.Why(x.Prefix + "/" + s.Name)
		}
		rows = append(rows, row)
	}
	return rows
}

// Text is a section as a table for a terminal.
func (s *Section) Text(set *Set) string {
	rows := [][]string{head}
	for _, r := range s.Rows {
		m := r.Measure(set)
		rows = append(rows, m.cells())
	}
	text := "\n" + s.Title + "\n" + aligned(rows)
	if matrix := s.Matrix.Cells(set); matrix != nil {
		text += "\n" + aligned(matrix)
	}
	return text
}

// aligned puts cells below each other.
func aligned(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// markdown is a table of a page. Its first row is the head.
func markdown(rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	line(rows[0])
	line(slices.Repeat([]string{"---"}, len(rows[0])))
	for _, row := range rows[1:] {
		line(row)
	}
	return b.String()
}

// Shortfalls are what was missed, and what could not be judged, one line each.
func Shortfalls(sections []Section, set *Set) (missed, unmeasured []string) {
	said := map[string]bool{}
	for _, s := range sections {
		for _, r := range s.Rows {
			m := r.Measure(set)
			where := s.Title + ": " + r.What
			for _, v := range m.Verdicts {
				if !v.Reached {
					line := fmt.Sprintf("%s: %s, measured %s%s: %s", where, v.Goal, format(v.Value), unitOf(v.Goal, r.Unit), off(v))
					switch profile := v.Goal.Profile; {
					case profile == "":
					case said[profile]:
						line += ". The profile is as above."
					default:
						line += ". " + profile
						said[profile] = true
					}
					missed = append(missed, line)
				}
			}
			switch {
			case r.Optional:
			case m.Missing != "":
				unmeasured = append(unmeasured, where+": "+m.Missing)
			case m.AnchorMissing != "":
				unmeasured = append(unmeasured, where+", against "+r.AnchorName+": "+m.AnchorMissing)
			}
		}
	}
	return missed, unmeasured
}

func unitOf(g Goal, unit string) string {
	if g.Of == Factor {
		return "×"
	}
	if unit == "" {
		return ""
	}
	return " " + unit
}

// off says how far a goal was missed.
func off(v Verdict) string {
	bound := v.Goal.AtMost
	if v.Goal.AtLeast > 0 {
		return fmt.Sprintf("%s %% of it", format(100*v.Value/v.Goal.AtLeast))
	}
	if bound == 0 {
		return "not 0"
	}
	return fmt.Sprintf("%s times as much", format(v.Value/bound))
}
