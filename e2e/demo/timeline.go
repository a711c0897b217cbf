package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// event is a line of the timeline.
type event struct {
	// subject is a Pod, or a Job as job/NAME.
	subject, container string
	// exit is the code of the exit that the event is about; nil: it is about none.
	exit *int
	// rule are the words of what decided, done are those of what was done.
	rule, done string
	tone       tone
}

// tone says how a text is meant.
type tone uint8

const (
	plain tone = iota
	good
	bad
	strong
)

func toneOf(isGood bool) tone {
	if isGood {
		return good
	}
	return bad
}

// page is what the demo writes on.
type page struct {
	w       io.Writer
	colours bool
}

// The timeline's columns, as wide as the examples need.
const timelineFormat = "%7s  %-24s  %-9s  %4s  %-42s  %s\n"

func (p page) heading(text string) {
	fmt.Fprintf(p.w, "\n%s\n", p.toned(text, strong))
}

func (p page) timelineHead() {
	p.heading("What happens (the time of a restart in place is from the exit to the new process, back-off excluded)")
	fmt.Fprintf(p.w, timelineFormat, "TIME", "POD", "CONTAINER", "EXIT", "RULE", "WHAT IS DONE")
}

// event writes a line of the timeline: what was told that long after the apply.
func (p page) event(after time.Duration, e event) {
	exit := ""
	if e.exit != nil {
		exit = strconv.Itoa(*e.exit)
	}
	line := fmt.Sprintf(timelineFormat, fmt.Sprintf("+%.1fs", after.Seconds()), e.subject, e.container, exit, e.rule, p.toned(e.done, e.tone))
	fmt.Fprint(p.w, line)
}

// toned is the text, coloured if there are colours.
func (p page) toned(text string, t tone) string {
	code := map[tone]string{good: "32", bad: "31", strong: "1"}[t]
	if !p.colours || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// millis is a duration as milliseconds, to the hundredth.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

// shortID is enough of an ID like containerd://0123… to compare it by eye.
func shortID(id string) string {
	if _, rest, found := strings.Cut(id, "://"); found {
		id = rest
	}
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
