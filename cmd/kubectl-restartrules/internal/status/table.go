package status

import (
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"

	"restartrules.dev/pkg/report"
)

// Columns says which columns a table has beside the usual ones.
type Columns struct {
	Namespace, Wide bool
	// Below, if it is not nil, has tables of one after the other look like one: only the first says what the columns are,
	// and none is narrower than one above. It points to their widths so far.
	Below *[]int
}

// gap is how many spaces are between columns.
const gap = 3

// none is in a cell where there is nothing to say, unknown where nobody knows.
const none, unknown = "<none>", "<unknown>"

// Table writes a row for each container.
func Table(w io.Writer, pods []Pod, columns Columns, now time.Time) error {
	header := []string{"POD", "CONTAINER", "RESTARTS", "IN-PLACE", "LAST", "AGO"}
	if columns.Namespace {
		header = append([]string{"NAMESPACE"}, header...)
	}
	if columns.Wide {
		header = append(header, "RULE", "TOOK", "NEXT", "PHASE")
	}
	var rows [][]string
	widths := make([]int, len(header))
	if columns.Below == nil || *columns.Below == nil {
		rows = append(rows, header)
	} else {
		widths = *columns.Below
	}
	for i := range pods {
		p := &pods[i]
		for j := range p.Containers {
			row := p.Containers[j].row(p, columns.Wide, now)
			if columns.Namespace {
				row = append([]string{p.Namespace}, row...)
			}
			rows = append(rows, row)
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	if columns.Below != nil {
		*columns.Below = widths
	}
	var text strings.Builder
	for _, row := range rows {
		last := len(row) - 1
		for i, cell := range row[:last] {
			text.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
		}
		text.WriteString(row[last] + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (c *Container) row(p *Pod, wide bool, now time.Time) []string {
	inPlace, last, ago, rule, took, next := unknown, unknown, unknown, unknown, unknown, unknown
	if c.InPlace != nil {
		inPlace, last, ago, rule, took, next = strconv.Itoa(*c.InPlace), none, none, none, none, none
	}
	if c.Last != nil {
		last, ago, rule, took = cause(c.Last), duration.HumanDuration(now.Sub(c.Last.Time)), ruleOf(c.Last), tookOf(c.Last)
	}
	if c.Next != nil {
		next = "attempt " + strconv.Itoa(c.Next.Attempt)
		if c.Next.Max > 0 {
			next += " of " + strconv.Itoa(c.Next.Max+1)
		}
		if wait := c.Next.At.Sub(now); wait > 0 {
			next += " in " + duration.HumanDuration(wait)
		}
	}
	row := []string{p.Name, c.Name, strconv.Itoa(int(c.Restarts)), inPlace, last, ago}
	if wide {
		row = append(row, rule, took, next, p.Phase)
	}
	return row
}

// cause is the exit code, if there was an exit, and what followed.
func cause(r *report.Restart) string {
	if r.ExitCode == nil {
		return "on demand: " + r.Action
	}
	return "exit " + strconv.Itoa(*r.ExitCode) + ": " + r.Action
}

func ruleOf(r *report.Restart) string {
	switch {
	case r.ExitCode == nil:
		return none
	case r.Rule == report.NoRule:
		return "restartPolicy"
	default:
		return "restartPolicyRules[" + strconv.Itoa(r.Rule) + "]"
	}
}

func tookOf(r *report.Restart) string {
	if r.DurationMicros == 0 {
		return none
	}
	return (time.Duration(r.DurationMicros) * time.Microsecond).String()
}
