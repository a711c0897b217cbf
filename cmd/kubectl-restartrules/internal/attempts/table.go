package attempts

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"
)

const none = "<none>"

// Table writes a row for each attempt, the last one last.
func Table(w io.Writer, list []Attempt) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "ATTEMPT\tBACK\tFROM\tTO\tLINES\tEXIT\tBY\tACTION")
	for i := range list {
		a := &list[i]
		number := "<unknown>"
		if a.Number > 0 {
			number = strconv.Itoa(a.Number)
		}
		from, to, exit, by, action := none, none, none, none, none
		if n := len(a.Lines); n > 0 {
			from, to = stamp(a.Lines[0].At), stamp(a.Lines[n-1].At)
		}
		if s := a.Ended; s != nil {
			to, exit, by, action = stamp(s.At), strconv.Itoa(s.ExitCode), s.Rule+s.Reason, s.Action
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%d\t%s\t%s\t%s\n", number, i+1-len(list), from, to, len(a.Lines), exit, by, action)
	}
	return table.Flush()
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return none
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}
