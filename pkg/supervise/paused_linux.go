package supervise

import (
	"strconv"
	"time"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/wire"
)

// judge is what follows an exit with that code at that time: while the Pod is paused what its restartPolicy
// says, and no limit is used up; else what the exit table says.
func (s *supervisor) judge(code int, at int64) exittable.Step {
	paused := wire.ParsePaused(s.paused.Read(s.buffer[:wire.PausedLength]))
	switch {
	case paused == wire.NotPaused:
		return s.counter.Next(code, time.Duration(at))
	case paused.Restarts(code):
		return exittable.Step{Action: exittable.Restart, Rule: exittable.Policy}
	}
	if s.Seam != SeamOff {
		s.say("the Pod is paused: no rule acts on exit code " + strconv.Itoa(code) + ", the Pod's restartPolicy does")
	}
	return exittable.Step{Action: exittable.End, Rule: exittable.Policy}
}
