package supervise

import (
	"strconv"
	"time"

	"restartrules.dev/pkg/exittable"
)

// SeamFormat is the form of the line that separates two attempts in a container's log.
type SeamFormat uint8

// The forms. The zero value is text.
const (
	SeamText SeamFormat = iota
	SeamJSON
	SeamOff
)

type seam struct {
	container string
	attempt   int
	code      int
	rule      int16
	// reason is in place of the rule, where none decided: how the attempt ended.
	reason string
	action string
	// wait is the back-off of a Restart. How long all containers wait is the watcher's to know.
	wait time.Duration
}

const (
	actionRestart = "Restart"
	actionAll     = "RestartAllContainers"
)

// appendSeam appends the line with its newline, or nothing.
func appendSeam(b []byte, format SeamFormat, s seam) []byte {
	text := func(text string) { b = append(b, text...) }
	number := func(n int) { b = strconv.AppendInt(b, int64(n), 10) }
	rule := func() {
		if s.rule == exittable.Policy {
			text("restartPolicy")
			return
		}
		text("restartPolicyRules[")
		number(int(s.rule))
		text("]")
	}
	switch format {
	case SeamText:
		text("restartrules: container=")
		text(s.container)
		text(" attempt=")
		number(s.attempt)
		text(" exitCode=")
		number(s.code)
		if s.reason != "" {
			text(" reason=")
			text(s.reason)
		} else {
			text(" rule=")
			rule()
		}
		text(" action=")
		text(s.action)
		text(" nextAttempt=")
		number(s.attempt + 1)
		if s.action == actionRestart {
			text(" wait=")
			text(s.wait.String())
		}
		text("\n")
	case SeamJSON:
		text(`{"logger":"restartrules","container":`)
		b = strconv.AppendQuote(b, s.container)
		text(`,"attempt":`)
		number(s.attempt)
		text(`,"exitCode":`)
		number(s.code)
		if s.reason != "" {
			text(`,"reason":"`)
			text(s.reason)
		} else {
			text(`,"rule":"`)
			rule()
		}
		text(`","action":"`)
		text(s.action)
		text(`","nextAttempt":`)
		number(s.attempt + 1)
		if s.action == actionRestart {
			text(`,"waitSeconds":`)
			b = strconv.AppendFloat(b, s.wait.Seconds(), 'g', -1, 64)
		}
		text("}\n")
	}
	return b
}
