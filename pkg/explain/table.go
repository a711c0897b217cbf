package explain

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// WriteTable writes the explanation for people: the Pod's policy, a table with a row for each exit
// and step, and for each container whether it is wrapped.
func (p *Pod) WriteTable(w io.Writer) error {
	if p.Why == "" {
		fmt.Fprintf(w, "  The Pod's restartPolicy %s stays.\n\n", p.Own)
	} else {
		fmt.Fprintf(w, "  The Pod's restartPolicy becomes %s instead of %s: %s.\n\n", p.Compiled, p.Own, p.Why)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  CONTAINER\tKIND\tEXIT CODE\tWHAT HAPPENS\tBY\tWAIT\tWHY")
	for i := range p.Containers {
		p.Containers[i].writeRows(table)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for i := range p.Containers {
		c := &p.Containers[i]
		wrapped := "not wrapped"
		if c.Wrapped {
			wrapped = "wrapped in a shim"
		}
		if _, err := fmt.Fprintf(w, "  %s is %s: %s.\n", c.Name, wrapped, c.Why); err != nil {
			return err
		}
		if c.Twin != "" {
			fmt.Fprintf(w, "  When the whole Pod restarts, %s runs again in container %s.\n", c.Name, c.Twin)
		}
		if c.Excluded {
			fmt.Fprintf(w, "  When the whole Pod restarts, %s is left out.\n", c.Name)
		}
		if c.MaxRestarts != nil {
			fmt.Fprintf(w, "  %s restarts %s at most, whatever rules and policy say.\n", c.Name, times(*c.MaxRestarts))
		}
	}
	if p.Phase != "" {
		fmt.Fprintf(w, "  Then the Pod is %s, if its other containers go on.\n", p.Phase)
	}
	return nil
}

func (c *Container) writeRows(w io.Writer) {
	name, kind := c.Name, c.Kind
	for _, e := range c.Exits {
		codes := strconv.Itoa(e.From)
		if e.To > e.From {
			codes += "-" + strconv.Itoa(e.To)
		}
		for _, s := range e.Steps {
			wait := s.Wait
			if wait == "" {
				wait = "-"
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, kind, codes, s.Text, s.By, wait, s.Why)
			name, kind, codes = "", "", "  then"
		}
	}
}
