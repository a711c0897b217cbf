// Package results keeps what benchmarks have measured, judges it by goals, and writes it down: as a table, as a page of the
// documentation, as pictures. It measures nothing.
package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Part is what one benchmark has measured in one run.
type Part struct {
	// Name is the file's, without its ending. A later run of the same name takes its place.
	Name string `json:"name"`
	// Command runs it again, alone.
	Command string        `json:"command"`
	Began   time.Time     `json:"began"`
	Took    time.Duration `json:"took"`
	Machine Machine       `json:"machine"`
	Series  []Series      `json:"series"`
	// Missing says what could not be measured, and why.
	Missing []Missing `json:"missing,omitempty"`
}

// Machine is what was measured on.
type Machine struct {
	Processor  string `json:"processor"`
	Processors int    `json:"processors"`
	MemoryMB   int    `json:"memoryMB"`
	Kernel     string `json:"kernel"`
	System     string `json:"system"`
	Go         string `json:"go"`
	// Busy is the share of the processors, 0 to 1, that others used just before the benchmark.
	Busy float64 `json:"busy"`
	// Stolen is the share that the hypervisor gave to others during the benchmark.
	Stolen float64 `json:"stolen"`
}

// Series are measurements of one thing, in the order in which they were made.
type Series struct {
	Name   string    `json:"name"`
	Values []float64 `json:"values"`
	// Took is the time since the series before was added, or since the part Began.
	Took time.Duration `json:"took"`
	// Note is something to know of it, in a few words.
	Note string `json:"note,omitempty"`
}

// Missing is a series, or all whose names begin so, that could not be measured.
type Missing struct {
	Series string `json:"series"`
	Why    string `json:"why"`
}

// Add appends a series, unless it is empty.
func (p *Part) Add(name string, values ...float64) {
	if len(values) == 0 {
		return
	}
	took := time.Since(p.Began)
	for _, s := range p.Series {
		took -= s.Took
	}
	p.Series = append(p.Series, Series{Name: name, Values: values, Took: took})
}

// Miss says why series whose names begin so are not there.
func (p *Part) Miss(series, format string, args ...any) {
	p.Missing = append(p.Missing, Missing{series, fmt.Sprintf(format, args...)})
}

// Save writes the part into the directory, in place of an earlier run's.
func (p *Part) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode %s: %w", p.Name, err)
	}
	return os.WriteFile(filepath.Join(dir, p.Name+".json"), append(text, '\n'), 0o644)
}

// Load reads all parts of the directory, by name. A directory that isn't there has none.
func Load(dir string) ([]Part, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var parts []Part
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		var p Part
		if err := json.Unmarshal(text, &p); err != nil {
			return nil, fmt.Errorf("%s: %w; remove it, or measure again", entry.Name(), err)
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b Part) int { return strings.Compare(a.Name, b.Name) })
	return parts, nil
}

// Set are the series of several parts.
type Set struct {
	Parts []Part
	// Computed are series that follow from others.
	Computed []Series
}

// Find is the series of that name, or nil.
func (s *Set) Find(name string) *Series {
	for i := range s.Parts {
		for j := range s.Parts[i].Series {
			if s.Parts[i].Series[j].Name == name {
				return &s.Parts[i].Series[j]
			}
		}
	}
	for i := range s.Computed {
		if s.Computed[i].Name == name {
			return &s.Computed[i]
		}
	}
	return nil
}

// Why says why a series is not there.
func (s *Set) Why(name string) string {
	for i := range s.Parts {
		for _, m := range s.Parts[i].Missing {
			if name == m.Series || strings.HasPrefix(name, m.Series+"/") {
				return m.Why
			}
		}
	}
	return "not run"
}
