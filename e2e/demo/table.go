package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

const timeOfDay = "15:04:05.000"

// identities writes, for each container that was restarted in place, what it was before and after.
func (p page) identities(s *story) error {
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "POD\tCONTAINER\t\tPOD UID\tPOD IP\tCONTAINER ID\tRESTARTCOUNT\tPROCESS\tSTARTED")
	for _, promise := range promises {
		pod, _, err := promise.find(s)
		if err != nil || promise.container == "" {
			continue // the summary says so
		}
		c := pod.containers[promise.container]
		if c == nil || len(c.attempts) == 0 {
			continue
		}
		row := func(pod, container, when string, id identity, a attempt) {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", pod, container, when, id.uid, id.ip,
				shortID(id.containerID), id.restartCount, a.pid, a.at.UTC().Format(timeOfDay))
		}
		row(pod.pod.Name, promise.container, "before", c.first, c.attempts[0])
		row("", "", "after", c.last, c.attempts[len(c.attempts)-1])
	}
	return t.Flush()
}

// summary writes which promises were kept, and returns how many were not.
func (p page) summary(s *story) (failed int, err error) {
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "EXAMPLE\tPOD OR JOB\tRESTARTS IN PLACE\tEXIT TO NEW PROCESS\tPROMISED END\tKEPT")
	var reasons []string
	for _, promise := range promises {
		verdict := p.toned("yes", good)
		if err := promise.check(s); err != nil {
			failed++
			verdict = p.toned("NO", bad)
			reasons = append(reasons, promise.subject+": "+strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		times := restartTimes(promise, s)
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", promise.file, promise.subject, len(times), span(times), promise.ending, verdict)
	}
	if err := t.Flush(); err != nil {
		return failed, err
	}
	for _, reason := range reasons {
		fmt.Fprintln(p.w, p.toned(reason, bad))
	}
	return failed, nil
}

// restartTimes are how long the restarts in place took of the container that the promise is about.
func restartTimes(p promise, s *story) []time.Duration {
	pod, _, err := p.find(s)
	if err != nil || pod.containers[p.container] == nil {
		return nil
	}
	return pod.containers[p.container].restarts()
}

// span is the shortest and the longest of the times, in words.
func span(times []time.Duration) string {
	if len(times) == 0 {
		return "-"
	}
	shortest, longest := millis(slices.Min(times)), millis(slices.Max(times))
	if shortest == longest {
		return shortest
	}
	return shortest + " to " + longest
}
