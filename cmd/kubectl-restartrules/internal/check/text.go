package check

import (
	"fmt"
	"io"
	"strings"
)

// Colours says whether severities are in colour.
type Colours bool

func (c Colours) severity(s Severity) string {
	const red, yellow, off = "\x1b[31m", "\x1b[33m", "\x1b[0m"
	switch {
	case !bool(c):
		return string(s)
	case s == Error:
		return red + string(s) + off
	default:
		return yellow + string(s) + off
	}
}

// Write writes the result for people.
func (r *Result) Write(w io.Writer, colours Colours) error {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s %s %s: %s\n", colours.severity(f.Severity), f.Code, f.Object, sentence(f.What))
		fmt.Fprintf(w, "    Why: %s\n    Fix: %s\n\n", sentence(f.Why), f.Fix)
	}
	for _, text := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", sentence(text))
	}
	for _, l := range r.LeftOut {
		if l.Needs != "" {
			fmt.Fprintf(w, "not checked: %s. That needs the right to %s.\n", l.Check, l.Needs)
		} else {
			fmt.Fprintf(w, "not checked: %s: %s.\n", l.Check, l.Because)
		}
	}
	summary := "Nothing wrong found."
	if len(r.Findings) > 0 {
		summary = fmt.Sprintf("%s, %s. What the codes mean: docs/codes.md.", counted(r.Count(Error), "error"), counted(r.Count(Warning), "warning"))
	}
	if n := len(r.LeftOut); n > 0 {
		summary += " Left out: " + counted(n, "check") + "."
	}
	_, err := fmt.Fprintln(w, summary)
	return err
}

// sentence is a text with a capital letter and a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "…") {
		return text
	}
	return text + "."
}
