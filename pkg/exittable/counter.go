package exittable

import "time"

// Counter decides by a table and counts, for the rules and containers that restart only so often.
// It is for one goroutine.
type Counter struct {
	table *Table
	total *Total
	// restarts is how often Next said Restart.
	restarts int32
	uses     []uses // by rule
}

// uses is how often a rule with a limit was applied.
type uses struct {
	n int32
	// last are the times of the last applications, a ring of Max; nil for limits for ever.
	last []time.Duration
}

// NewCounter returns a Counter that has counted nothing. total is nil if there is none. All the
// memory it ever needs is allocated here.
func NewCounter(table *Table, total *Total) *Counter {
	c := &Counter{table: table, total: total}
	for _, entry := range table {
		for _, s := range entry {
			if s.Max == 0 {
				continue
			}
			for int(s.Rule) >= len(c.uses) {
				c.uses = append(c.uses, uses{})
			}
			if u := &c.uses[s.Rule]; s.Within > 0 && u.last == nil {
				u.last = make([]time.Duration, s.Max)
			}
		}
	}
	return c
}

// Next is what to do after the exit code at that time, on any clock that doesn't go back. A Restart
// is counted.
func (c *Counter) Next(code int, now time.Duration) Step {
	step := c.step(c.table[code&(Codes-1)], now)
	if step.Action != Restart {
		return step
	}
	if c.total != nil && c.restarts >= c.total.Max {
		return Step{Action: c.total.Then, Rule: Policy}
	}
	c.restarts++
	if step.Max > 0 {
		c.uses[step.Rule].count(now)
	}
	return step
}

func (c *Counter) step(entry Entry, now time.Duration) Step {
	for _, s := range entry {
		if s.Max == 0 || !c.uses[s.Rule].usedUp(s, now) {
			return s
		}
	}
	return Step{Action: End, Rule: Policy} // not reached: the last step has no limit
}

func (u *uses) usedUp(s Step, now time.Duration) bool {
	if u.n < s.Max {
		return false
	}
	if u.last == nil {
		return true
	}
	oldest := u.last[int(u.n)%len(u.last)]
	return now-oldest < s.Within
}

func (u *uses) count(now time.Duration) {
	if u.last != nil {
		u.last[int(u.n)%len(u.last)] = now
	}
	u.n++
}
