package existing

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// Write writes the explanation for people.
func (p *Pod) Write(w io.Writer) error {
	fmt.Fprintf(w, "%s: %s: %s.\n", p.Object, p.Mode, p.ModeWhy)
	if p.Pod != nil {
		if err := p.WriteTable(w); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, "\n  Restarts so far:")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  CONTAINER\tRESTARTS\tIN-PLACE")
	for _, r := range p.Restarts {
		inPlace := "-"
		switch {
		case r.InPlace != nil:
			inPlace = strconv.Itoa(*r.InPlace)
		case p.Mode == Emulated:
			inPlace = "<unknown>"
		}
		fmt.Fprintf(table, "  %s\t%d\t%s\n", r.Container, r.Kubelet, inPlace)
	}
	return table.Flush()
}
