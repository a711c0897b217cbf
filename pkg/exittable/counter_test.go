package exittable

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCounter(t *testing.T) {
	type exit struct {
		code int
		at   time.Duration
		want Step
	}
	for name, tc := range map[string]struct {
		table *Table
		total *Total
		exits []exit
	}{
		"no limit": {Uniform(restart(0)), nil, []exit{{1, 0, restart(0)}, {1, 0, restart(0)}, {1, 0, restart(0)}}},
		"for ever": {Uniform(limited(0, 2, 0), end()), nil, []exit{
			{1, 0, limited(0, 2, 0)}, {2, time.Hour, limited(0, 2, 0)}, {1, 2 * time.Hour, end()}, {1, 3 * time.Hour, end()}}},
		"a rule counts for all its codes": {setAll(setAll(Uniform(end()), Entry{limited(1, 1, 0), end()}, 1), Entry{limited(1, 1, 0), restart(Policy)}, 2), nil, []exit{
			{1, 0, limited(1, 1, 0)}, {1, 0, end()}, {2, 0, restart(Policy)}}},
		"within": {Uniform(limited(0, 2, time.Minute), restart(1)), nil, []exit{
			{1, 0, limited(0, 2, time.Minute)},
			{1, 30 * time.Second, limited(0, 2, time.Minute)},
			{1, 59 * time.Second, restart(1)},
			{1, 60 * time.Second, limited(0, 2, time.Minute)}, // the first is a minute ago
			{1, 61 * time.Second, restart(1)},
			{1, 90 * time.Second, limited(0, 2, time.Minute)},
			{1, 91 * time.Second, restart(1)}}},
		"in total": {set(Uniform(restart(Policy)), end(), 0), &Total{2, End}, []exit{
			{1, 0, restart(Policy)}, {1, 0, restart(Policy)}, {1, 0, end()}, {0, 0, end()}}},
		"none at all":           {Uniform(restart(Policy)), &Total{0, Linger}, []exit{{1, 0, linger()}}},
		"the total ends a rule": {Uniform(limited(0, 5, 0), end()), &Total{1, Linger}, []exit{{1, 0, limited(0, 5, 0)}, {1, 0, linger()}}},
		"linger":                {Uniform(linger()), nil, []exit{{7, 0, linger()}}},
		"what concerns the Pod is not counted": {Uniform(limited(0, 1, 0), Step{Action: All, Rule: 1}), &Total{1, End}, []exit{
			{1, 0, limited(0, 1, 0)}, {1, 0, Step{Action: All, Rule: 1}}, {1, 0, Step{Action: All, Rule: 1}}}},
		"codes above 255 are cut": {set(Uniform(end()), restart(0), 1), nil, []exit{{257, 0, restart(0)}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewCounter(tc.table, tc.total)
			for i, e := range tc.exits {
				require.Equal(t, e.want, c.Next(e.code, e.at), "exit %d", i)
			}
		})
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	c := NewCounter(Uniform(limited(0, 1000, time.Minute), restart(Policy)), nil)
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Next(1, 0) }))
}
