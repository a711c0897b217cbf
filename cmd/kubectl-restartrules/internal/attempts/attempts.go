package attempts

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"
)

// Line is one line of a log.
type Line struct {
	At   time.Time
	Text string
}

// Attempt is one attempt of the container's command, as far as the log has it.
type Attempt struct {
	// Number counts the attempts from 1, over restarts by the kubelet, too; 0: the log doesn't say.
	Number int
	Lines  []Line
	// Ended is how it ended; nil: it runs, or the container has ended with it.
	Ended *Seam
}

// Read reads a log with timestamps.
func Read(r io.Reader) ([]Line, error) {
	var lines []Line
	reader := bufio.NewReader(r)
	for {
		text, err := reader.ReadString('\n')
		if text != "" {
			lines = append(lines, parseLine(strings.TrimSuffix(text, "\n")))
		}
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, fmt.Errorf("read the log: %w", err)
		}
	}
}

// Follow passes on the lines of a log with timestamps that were written after that, until the attempt ends or the log does.
func Follow(r io.Reader, container string, after time.Time, pass func(Line)) error {
	reader := bufio.NewReader(r)
	for {
		text, err := reader.ReadString('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("follow the log: %w", err)
		}
		if line := parseLine(strings.TrimSuffix(text, "\n")); text != "" && line.At.After(after) {
			before, _, isSeam := parseSeam(line.Text, container)
			if isSeam {
				line.Text = before
			}
			if line.Text != "" || !isSeam {
				pass(line)
			}
			if isSeam {
				return nil
			}
		}
		if err != nil {
			return nil
		}
	}
}

func parseLine(text string) Line {
	stamp, rest, _ := strings.Cut(text, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return Line{Text: text}
	}
	return Line{At: at, Text: rest}
}

// Cut cuts the log of one run of a container. An application may write what looks like a seam: of all that do the
// longest series counts whose numbers ascend, as the shim's do, so one that doesn't fit is taken for text.
func Cut(lines []Line, container string) []Attempt {
	seams := map[int]Seam{}
	before := map[int]string{}
	var at []int
	for i, line := range lines {
		text, s, ok := parseSeam(line.Text, container)
		if !ok {
			continue
		}
		s.At = line.At
		seams[i], before[i] = s, text
		at = append(at, i)
	}
	at = ascending(at, func(i int) int { return seams[i].Attempt })

	var list []Attempt
	current, from := Attempt{}, 0
	for _, i := range at {
		s := seams[i]
		current.Lines = append(current.Lines, lines[from:i]...)
		if before[i] != "" {
			current.Lines = append(current.Lines, Line{At: lines[i].At, Text: before[i]})
		}
		current.Number, current.Ended = s.Attempt, &s
		list = append(list, current)
		current, from = Attempt{Number: s.Attempt + 1}, i+1
	}
	current.Lines = append(current.Lines, lines[from:]...)
	return append(list, current)
}

// ascending is the longest series of items, in their order, whose numbers ascend: of several the one that ends last with
// the lowest number.
func ascending(items []int, number func(item int) int) []int {
	var ends []int // for each length the item that ends the best series of it, as an index in items
	previous := make([]int, len(items))
	for i := range items {
		n := number(items[i])
		length := sort.Search(len(ends), func(l int) bool { return number(items[ends[l]]) >= n })
		previous[i] = -1
		if length > 0 {
			previous[i] = ends[length-1]
		}
		switch {
		case length == len(ends):
			ends = append(ends, i)
		case number(items[ends[length]]) > n: // of the same number the first counts: a copy can only come later
			ends[length] = i
		}
	}
	var series []int
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = previous[i] {
			series = append(series, items[i])
		}
	}
	slices.Reverse(series)
	return series
}

// Join numbers the attempts of a container's runs, the older first, as far as the logs say. first says that the first of
// these is the container's first.
func Join(first bool, runs ...[]Attempt) []Attempt {
	all := slices.Concat(runs...)
	for i := range all {
		a := &all[i]
		switch {
		case a.Number != 0:
		case i > 0 && all[i-1].Number != 0:
			a.Number = all[i-1].Number + 1
		case i == 0 && first:
			a.Number = 1
		}
	}
	return all
}

// Find is the index of the attempt that is meant: by its number, if that is positive; else 0 is the last, -1 the one
// before, and so on. The error says which there are.
func Find(list []Attempt, which int) (int, error) {
	if which <= 0 {
		if at := len(list) - 1 + which; at >= 0 {
			return at, nil
		}
		return 0, fmt.Errorf("the log has %d attempts, the oldest of them is %d: what is older is gone, or was never", len(list), 1-len(list))
	}
	for i := range list {
		if list[i].Number == which {
			return i, nil
		}
	}
	first, last := list[0].Number, list[len(list)-1].Number
	switch {
	case last == 0:
		return 0, fmt.Errorf("the log doesn't say which attempt it is of; 0 is the last")
	case first == 0:
		return 0, fmt.Errorf("the log has no attempt %d: the last is %d", which, last)
	default:
		return 0, fmt.Errorf("the log has no attempt %d, but %d to %d", which, first, last)
	}
}
