package supervise

import (
	"time"

	"restartrules.dev/pkg/wire"
)

const (
	// peerWindow is how long after another container was told to stop the news that the whole Pod
	// is being deleted may still be on its way: the kubelet runs the watcher's preStop hook at
	// the same time as the others', but a hook is a process that the runtime has to start.
	peerWindow = 2 * time.Second
	lookAgain  = 5 * time.Millisecond
)

// mayRestart says whether an exit at that time may be followed by another start. It returns at once
// unless something is known to be stopping.
func (s *supervisor) mayRestart(endedAt int64) bool {
	for s.pause(0) {
		switch s.news(endedAt) {
		case noDeletion:
			return true
		case deletion:
			return false
		}
		if !s.pause(lookAgain) {
			return false
		}
	}
	return false
}

// news is what the marks say.
type news uint8

const (
	noDeletion news = iota
	deletion
	// unsettled: there may be more news after lookAgain.
	unsettled
)

// news looks at the marks after an exit at that time.
func (s *supervisor) news(endedAt int64) news {
	if s.Dir == "" {
		return noDeletion
	}
	until := endedAt + int64(s.Hold)
	own := wire.ParseMark(s.ownMark.Read(s.buffer[:wire.MarkLength]))
	if own.Kind != wire.NoMark && own.At > s.startedAt {
		return deletion
	}
	if mark := wire.ParseMark(s.mark.Read(s.buffer[:wire.MarkLength])); mark.At > s.startedAt {
		switch mark.Kind {
		case wire.Pod:
			return deletion
		case wire.Peer:
			until = max(until, mark.At+int64(peerWindow))
		}
	}
	if wire.Now() >= until {
		return noDeletion
	}
	return unsettled
}
