//go:build e2e

package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// idleEnough is how much of the processors a settled cluster leaves idle while nothing happens in it.
	idleEnough = 0.85
	// idleFor is how long that must have been so.
	idleFor = 10 * time.Second
	// settleTimeout is when it is measured all the same, and said so.
	settleTimeout = 3 * time.Minute
)

// settle waits until a cluster that was just booted is at rest. What it does in its first half minute takes
// the processors for 10 ms and more at a time, which says nothing about restarts.
func settle(t *testing.T) {
	t.Helper()
	began, quiet := time.Now(), time.Duration(0)
	idle, total := processorTime(t)
	for time.Since(began) < settleTimeout {
		const step = 2 * time.Second
		time.Sleep(step)
		nowIdle, nowTotal := processorTime(t)
		share := float64(nowIdle-idle) / float64(nowTotal-total)
		idle, total = nowIdle, nowTotal
		if quiet += step; share < idleEnough {
			quiet = 0
		}
		if quiet >= idleFor {
			t.Logf("settled after %.0f s, processors %.0f %% idle", time.Since(began).Seconds(), 100*share)
			return
		}
	}
	t.Logf("NOT settled within %s: something else is at work on this machine, take the figures for what they are", settleTimeout)
}

// processorTime is what the processors did since the machine's start: in idleness, and in all, in ticks.
func processorTime(t *testing.T) (idle, total int) {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(fmt.Errorf("/proc/stat: %w", err))
		}
		if total += n; i == 3 || i == 4 { // idle and iowait
			idle += n
		}
	}
	return idle, total
}
