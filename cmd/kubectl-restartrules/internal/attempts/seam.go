// Package attempts cuts a container's log into the attempts of its command: by the lines that its shim writes between
// two of them (pkg/supervise/seam.go).
package attempts

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Seam is the line between two attempts.
type Seam struct {
	// Attempt is the one that has ended; the next has the number behind.
	Attempt  int `json:"attempt"`
	ExitCode int `json:"exitCode"`
	// Rule says what decided, Reason in its place how the attempt ended where the whole Pod was restarted.
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Action is Restart or RestartAllContainers.
	Action string `json:"action"`
	// At is when the log has it.
	At time.Time `json:"at"`
}

// The application writes to the same log, perhaps without a newline at its end: what is in front of the seam is its.
var textSeam = regexp.MustCompile(`restartrules: container=(\S+) attempt=(\d+) exitCode=(\d+) ` +
	`(?:rule=(restartPolicy|restartPolicyRules\[\d+\])|reason=(\w+)) action=(Restart|RestartAllContainers) nextAttempt=(\d+)(?: wait=[0-9a-zµ.]+)?$`)

const jsonSeam = `{"logger":"restartrules","container":`

// parseSeam reads a seam of the container at the end of a line, and gives what is in front of it.
func parseSeam(line, container string) (before string, s Seam, ok bool) {
	if at := strings.Index(line, jsonSeam); at >= 0 {
		return parseJSON(line[:at], line[at:], container)
	}
	m := textSeam.FindStringSubmatchIndex(line)
	if m == nil {
		return "", s, false
	}
	text := func(i int) string {
		if m[2*i] < 0 {
			return ""
		}
		return line[m[2*i]:m[2*i+1]]
	}
	attempt, err := strconv.Atoi(text(2))
	next, errNext := strconv.Atoi(text(7))
	code, errCode := strconv.Atoi(text(3))
	s = Seam{Attempt: attempt, ExitCode: code, Rule: text(4), Reason: text(5), Action: text(6)}
	return line[:m[0]], s, err == nil && errNext == nil && errCode == nil && text(1) == container && s.sensible(next)
}

func parseJSON(before, text, container string) (string, Seam, bool) {
	var line struct {
		Seam
		Container   string
		NextAttempt int
	}
	if json.Unmarshal([]byte(text), &line) != nil {
		return "", Seam{}, false
	}
	return before, line.Seam, line.Container == container && line.Seam.sensible(line.NextAttempt)
}

func (s *Seam) sensible(next int) bool {
	return s.Attempt >= 1 && next == s.Attempt+1 && s.ExitCode >= 0 && s.ExitCode <= 255
}
