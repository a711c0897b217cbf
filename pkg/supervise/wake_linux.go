package supervise

import "time"

// forever is a wait without an end of its own.
const forever time.Duration = -1

// await waits for that long, or until it is told to look again.
func (s *supervisor) await(wait time.Duration) {
	if wait == forever {
		<-s.wake
		return
	}
	// Not NewTimer: its channel of times would link all that can be done with a time, 5 % of the binary.
	timer := time.AfterFunc(wait, s.wakeUp)
	<-s.wake
	timer.Stop()
}

// wakeUp makes the main goroutine look again at what it is to do.
func (s *supervisor) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}
