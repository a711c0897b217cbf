package supervise

import "time"

// Backoff says how long to wait before a restart, as the kubelet does for a crash-looping container
// (pkg/kubelet/kuberuntime doBackOff and client-go's flowcontrol.Backoff): the first restart is
// immediate, then Initial, doubled each time up to Max, counted from the exit; a run of more than
// Reset starts it over.
type Backoff struct {
	Initial, Max, Reset time.Duration
	next                time.Duration
}

// DefaultBackoff is the kubelet's: 10s, 5m, 10m.
func DefaultBackoff() Backoff {
	return Backoff{Initial: 10 * time.Second, Max: 5 * time.Minute, Reset: 10 * time.Minute}
}

// Next gives the wait before the restart that follows a run of this length.
func (b *Backoff) Next(ran time.Duration) time.Duration {
	if ran > b.Reset {
		b.next = 0
	}
	wait := b.next
	b.next = min(max(2*wait, b.Initial), b.Max)
	return wait
}
