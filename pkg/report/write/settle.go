package write

import (
	"time"

	"restartrules.dev/pkg/report"
)

// Outcomes of restarts, values of a label.
const (
	// outcomeCompleted: everything runs again, or all containers were ended by a rule.
	outcomeCompleted = "completed"
	// outcomeInterrupted: the next restart of the whole Pod began before this one was over.
	outcomeInterrupted = "interrupted"
	// outcomeFailed: the Pod was given up.
	outcomeFailed = "failed"
)

// settled is a restart of which is known what has become of it.
type settled struct {
	action, outcome string
	// took is as long as took; 0: that is not known, or there is no end.
	took time.Duration
}

// settle finds the restarts of a status that are settled and were not before: those whose IDs are above after, or that
// was under way. It returns the ID of the one that is still under way, or 0.
func settle(s *report.Status, after, underway int) (list []settled, still int) {
	last := s.LastRestartAll()
	for i := range s.Recent {
		r := &s.Recent[i]
		switch {
		case r.ID <= after && r.ID != underway:
		case r.DurationMicros > 0 || r.Action != report.ActionRestartAll:
			list = append(list, settled{r.Action, outcomeCompleted, took(r)})
		case r != last:
			list = append(list, settled{r.Action, outcomeInterrupted, 0})
		case s.Failed != nil && s.Failed.ID > r.ID:
			list = append(list, settled{r.Action, outcomeFailed, 0})
		default:
			still = r.ID
		}
	}
	return list, still
}
