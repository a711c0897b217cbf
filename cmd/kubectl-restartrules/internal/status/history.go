package status

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"restartrules.dev/pkg/report"
)

// History writes a row for each entry of a Pod's history.
func History(w io.Writer, entries []report.Restart, wide bool, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	header := []string{"NUMBER", "AGO", "CONTAINER", "ACTION", "EXIT", "RULE", "TOOK", "REASON"}
	if wide {
		header = append(header, "TIME")
	}
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for i := range entries {
		e := &entries[i]
		exit := none
		if e.ExitCode != nil {
			exit = strconv.Itoa(*e.ExitCode)
		}
		row := []string{strconv.Itoa(e.ID), duration.HumanDuration(now.Sub(e.Time)), orNone(e.Container), e.Action, exit, ruleOf(e), tookOf(e), orNone(reasonOf(e))}
		if wide {
			row = append(row, e.Time.UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

// reasonOf is what was given as the reason, in one line.
func reasonOf(r *report.Restart) string {
	switch {
	case r.Reason != "":
		return strings.Trim(strconv.Quote(r.Reason), `"`)
	case r.ExitCode == nil && (r.Action == report.ActionRestart || r.Action == report.ActionRestartAll):
		return "on demand"
	}
	return ""
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}
