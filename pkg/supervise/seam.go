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
	wait      time.Duration
}

// appendSeam appends the line with its newline, or nothing.
func appendSeam(b []byte, format SeamFormat, s seam) []byte {
	rule := "restartPolicy"
	if s.rule != exittable.Policy {
		rule = "restartPolicyRules[" + strconv.Itoa(int(s.rule)) + "]"
	}
	attempt, next := strconv.Itoa(s.attempt), strconv.Itoa(s.attempt+1)
	code := strconv.Itoa(s.code)
	switch format {
	case SeamText:
		b = append(b, "restartrules: container="+s.container+" attempt="+attempt+" exitCode="+code+
			" rule="+rule+" action=Restart nextAttempt="+next+" wait="+s.wait.String()+"\n"...)
	case SeamJSON:
		b = append(b, `{"logger":"restartrules","container":`...)
		b = strconv.AppendQuote(b, s.container)
		b = append(b, `,"attempt":`+attempt+`,"exitCode":`+code+`,"rule":"`+rule+
			`","action":"Restart","nextAttempt":`+next+`,"waitSeconds":`...)
		b = strconv.AppendFloat(b, s.wait.Seconds(), 'g', -1, 64)
		b = append(b, "}\n"...)
	}
	return b
}
