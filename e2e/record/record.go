// Package record is what the application of the end-to-end tests (e2e/app) writes down: a line of JSON
// for each thing that happens to it. What ran when is told by that, whatever Kubernetes and the shim say.
package record

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Event is one line of a record.
type Event struct {
	Event string `json:"event"` // start, connected, term, end
	At    int64  `json:"at"`    // CLOCK_MONOTONIC in nanoseconds, the same in all containers of a node
	PID   int    `json:"pid"`
	Code  int    `json:"code,omitempty"`
}

// Parse reads a record. A last line without its end is still being written, and left out.
func Parse(text string) ([]Event, error) {
	var events []Event
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("line %q of a record: %w", line, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// Starts is how often the application was started.
func Starts(events []Event) (n int) {
	for _, e := range events {
		if e.Event == "start" {
			n++
		}
	}
	return n
}
