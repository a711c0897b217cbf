package restartall

import (
	"cmp"
	"fmt"
	"slices"

	"restartrules.dev/e2e/record"
)

// run is a start of a container's application, and its end.
type run struct {
	container string
	attempt   int   // counts the container's starts from 1
	from, to  int64 // of the first and the last that it wrote, CLOCK_MONOTONIC in nanoseconds
	ended     bool  // it wrote that it ends, with this code; else it was killed
	code      int
	text      string // of a mark, which is no run
}

func (r *run) String() string {
	switch {
	case r.text != "":
		return r.text
	case !r.ended:
		return fmt.Sprintf("%s %d killed", r.container, r.attempt)
	default:
		return fmt.Sprintf("%s %d exit %d", r.container, r.attempt, r.code)
	}
}

// mark is a step that is seen in the outcome.
type mark struct {
	text string
	at   int64
}

// Runs is what happened by the records: a line "container attempt exit code" for each start, in the order of the starts, and
// one for each mark. "killed" is in place of the code if the application was not able to write that it ends.
//
// Containers that do not wait for each other start together, and in what order they are seen to start is chance. Such are in the
// Pod's order.
func (s Scenario) Runs(records map[string][]record.Event, marks []mark) []string {
	var runs []*run
	order := s.order()
	for name, events := range records {
		runs = append(runs, runsOf(name, events)...)
	}
	for _, m := range marks {
		runs = append(runs, &run{text: m.text, from: m.at})
	}
	slices.SortFunc(runs, func(a, b *run) int { return cmp.Compare(a.from, b.from) })

	until := map[string]map[int]int64{} // when each attempt of a container was still there
	for _, r := range runs {
		if until[r.container] == nil {
			until[r.container] = map[int]int64{}
		}
		until[r.container][r.attempt] = r.to
	}
	// together: b was seen to start before a, which is the first by the Pod. It is chance if a is not awaited and might
	// have started when b did: what ran in its container before had ended.
	together := func(b, a *run) bool {
		first, second := slices.Index(order, a.container), slices.Index(order, b.container) // a mark has no place
		return first >= 0 && first < second && !s.awaited(a.container) &&
			(a.attempt == 1 || until[a.container][a.attempt-1] < b.from)
	}
	for i := 1; i < len(runs); i++ {
		for k := i; k > 0 && together(runs[k-1], runs[k]); k-- {
			runs[k-1], runs[k] = runs[k], runs[k-1]
		}
	}
	lines := []string{}
	for _, r := range runs {
		lines = append(lines, r.String())
	}
	return lines
}

// runsOf are the runs in a record.
func runsOf(container string, events []record.Event) (runs []*run) {
	for _, e := range events {
		switch {
		case e.Event == "start":
			runs = append(runs, &run{container: container, attempt: len(runs) + 1, from: e.At, to: e.At})
		case len(runs) > 0:
			last := runs[len(runs)-1]
			if last.to = e.At; e.Event == "end" {
				last.ended, last.code = true, e.Code
			}
		}
	}
	return runs
}
