// Package record is what the application of the end-to-end tests (e2e/app) writes down: a line of JSON
// for each thing that happens to it. What ran when is told by that, whatever Kubernetes and the shim say.
package record

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Event is one line of a record.
type Event struct {
	Event string `json:"event"` // start, connected, term, told, end, overlap
	At    int64  `json:"at"`    // CLOCK_MONOTONIC in nanoseconds, the same in all containers of a node
	PID   int    `json:"pid"`
	Code  int    `json:"code,omitempty"`
	With  string `json:"with,omitempty"` // of an overlap: the record of the process that still ran
}

// Overlap is the event of a start that finds another process running that should have ended.
const Overlap = "overlap"

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

// Read reads the record in a file. One that is not there yet is empty.
func Read(file string) ([]Event, error) {
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return Parse(string(text))
}

// ExitFile is where the application that keeps this record is told to exit, in its start of this number: the file
// holds the code in decimal, and appears by a rename. A file's name may follow, of one beside the record: then the
// application writes "told", is deaf to SIGTERM, and exits when that file is there.
func ExitFile(path string, start int) string {
	return fmt.Sprintf("%s.exit-%d", path, start)
}
