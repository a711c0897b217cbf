package manifest

import (
	"strings"
	"time"
)

// Backoff says how long restarts in place wait: the first not at all, then InitialDelay, doubled
// up to MaxDelay; it starts over after a run longer than ResetAfter.
type Backoff struct {
	// None restarts at once, always; the delays are void then.
	None         bool
	InitialDelay time.Duration
	MaxDelay     time.Duration
	ResetAfter   time.Duration
}

// DefaultBackoff is the kubelet's (upstream: pkg/kubelet/kubelet.go, backOffPeriod and
// MaxCrashLoopBackOff; it is forgotten after twice the latter).
var DefaultBackoff = Backoff{InitialDelay: 10 * time.Second, MaxDelay: 5 * time.Minute, ResetAfter: 10 * time.Minute}

// AtLeast is the back-off with no delay shorter than min. None becomes min every time.
func (b Backoff) AtLeast(min time.Duration) Backoff {
	if min <= 0 {
		return b
	}
	if b.None {
		return Backoff{InitialDelay: min, MaxDelay: min, ResetAfter: DefaultBackoff.ResetAfter}
	}
	b.InitialDelay, b.MaxDelay = max(b.InitialDelay, min), max(b.MaxDelay, min)
	return b
}

// String is the value of the shim's flag --backoff: "none" or initial/max/reset.
func (b Backoff) String() string {
	if b.None {
		return "none"
	}
	return ShortDuration(b.InitialDelay) + "/" + ShortDuration(b.MaxDelay) + "/" + ShortDuration(b.ResetAfter)
}

// ShortDuration is the duration without the zero minutes and seconds that Duration.String ends with.
func ShortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
