// Package backoff is the wait before a restart, as the kubelet has it for a crash-looping container. It is
// linked into the binary that runs in every container, so it imports next to nothing.
package backoff

import (
	"errors"
	"strings"
	"time"
)

// Backoff: the first restart is immediate, then Initial, doubled each time up to Max, counted from the exit;
// a run of more than Reset starts it over (upstream: pkg/kubelet/kuberuntime, doBackOff, and client-go's
// flowcontrol.Backoff). The zero value never waits.
type Backoff struct{ Initial, Max, Reset time.Duration }

// Default is the kubelet's: 10s, 5m, 10m.
func Default() Backoff {
	return Backoff{Initial: 10 * time.Second, Max: 5 * time.Minute, Reset: 10 * time.Minute}
}

// Next gives the wait before the restart that follows a run of this length, and the delay that the next
// call is to be given; the first is given 0.
func (b Backoff) Next(ran, delay time.Duration) (wait, next time.Duration) {
	if ran > b.Reset {
		delay = 0
	}
	return delay, min(max(2*delay, b.Initial), b.Max)
}

// Parse reads "none", or initial/max/reset as Go's durations, none negative.
func Parse(text string) (Backoff, error) {
	if text == "none" {
		return Backoff{}, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return Backoff{}, errors.New("expected none or INITIAL/MAX/RESET, for example 10s/5m/10m")
	}
	var d [3]time.Duration
	for i, part := range parts {
		var err error
		if d[i], err = time.ParseDuration(part); err != nil {
			return Backoff{}, err
		}
		if d[i] < 0 {
			return Backoff{}, errors.New(part + ": expected a duration that isn't negative")
		}
	}
	return Backoff{Initial: d[0], Max: d[1], Reset: d[2]}, nil
}
