// Package history keeps the last restarts of a Pod in a file, for people: it is there whether reports are on or
// not, and when Events have expired. It survives the watcher, not the node: there is no fsync.
//
// The file is a ring of lines of fixed length, each an Entry as JSON and spaces. A line is written by one write
// call in place of the oldest; half a line is none.
package history

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// Entries is how many entries are kept.
const Entries = 50

// lineLength is enough for any entry but one with a long text, which is cut.
const lineLength = 1024

// Actions of an Entry beside those of a report.Restart.
const (
	// ActionPause and ActionResume: the Pod was paused, or those containers were, or it was resumed.
	ActionPause  = "Pause"
	ActionResume = "Resume"
	// ActionFail: the Pod was given up, and Reason says why.
	ActionFail = "Fail"
)

// Entry is one restart, or what else is told of the Pod's restarts. ID counts the Pod's entries from 1.
type Entry = report.Restart

// History is the file, open. It is for one goroutine.
type History struct {
	path string
	file *os.File
	next int
	// paused is the last entry's that says so.
	paused string
	// failed says that the last write failed, so that only the first failure is told.
	failed bool
}

// Open opens the history at path. It is made when there is something to write.
func Open(path string) *History {
	h := &History{path: path, next: 1}
	// What can't be read is written over.
	entries, _ := Read(path)
	for i := range entries {
		h.next = entries[i].ID + 1
		switch e := &entries[i]; {
		case e.Action == ActionResume:
			h.paused = ""
		case e.Action == ActionPause && e.Container == "":
			h.paused = api.PausedAll
		case e.Action == ActionPause:
			h.paused = e.Container
		}
	}
	return h
}

// Paused is what the last entry of a pause says, as the annotation does; nothing if the Pod was resumed since, or if
// the entry is not kept any more.
func (h *History) Paused() string { return h.paused }

// Add gives the entry its ID, and writes it. It returns an error only for the first of several failures in a row.
func (h *History) Add(e *Entry) error {
	e.ID = h.next
	h.next++
	return h.Update(e)
}

// Update writes the entry in place of what it was when it was added.
func (h *History) Update(e *Entry) error {
	err := h.write(*e)
	first := err != nil && !h.failed
	h.failed = err != nil
	if !first {
		return nil
	}
	return fmt.Errorf("history: %w", err)
}

func (h *History) write(e Entry) error {
	line, err := encode(e)
	if err != nil {
		return err
	}
	if h.file == nil {
		if h.file, err = os.OpenFile(h.path, os.O_WRONLY|os.O_CREATE, 0o644); err != nil {
			return err
		}
	}
	_, err = h.file.WriteAt(line, int64(e.ID%Entries)*lineLength)
	return err
}

// encode is the entry's line.
func encode(e Entry) ([]byte, error) {
	for {
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		if len(text) < lineLength {
			line := bytes.Repeat([]byte(" "), lineLength)
			copy(line, text)
			line[lineLength-1] = '\n'
			return line, nil
		}
		if e.Reason == "" {
			return nil, fmt.Errorf("entry of %d bytes", len(text))
		}
		e.Reason = e.Reason[:len(e.Reason)/2]
	}
}

// Close closes the file.
func (h *History) Close() error {
	if h.file == nil {
		return nil
	}
	return h.file.Close()
}

// Read gives the entries of the history at path, the oldest first; none if there is no such file.
func Read(path string) ([]Entry, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for at := 0; at+lineLength <= len(text); at += lineLength {
		if e, ok := parse(text[at : at+lineLength]); ok && e.ID%Entries == at/lineLength {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return entries, nil
}

// parse reads one line. A place that was never written to holds zeros.
func parse(line []byte) (e Entry, ok bool) {
	err := json.Unmarshal(line, &e)
	return e, err == nil && e.ID > 0
}
