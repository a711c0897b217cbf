package exittable

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// String is the table's text, that of its Ranges. Parse reads it.
func (t *Table) String() string {
	var ranges Ranges
	for code, entry := range t {
		ranges = ranges.Append(code, entry)
	}
	return ranges.String()
}

// String is ascending, comma-separated lo[-hi]:entry, covering 0..255; for example
// "0-41:end,42:restart/0*3@10m0s|restart/policy,43-255:end". Parse reads it.
func (r Ranges) String() string {
	text := make([]byte, 0, 128)
	lo := 0
	for _, is := range r {
		if lo > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(lo), 10)
		if is.Last > lo {
			text = append(text, '-')
			text = strconv.AppendInt(text, int64(is.Last), 10)
		}
		text = is.Entry.append(append(text, ':'))
		lo = is.Last + 1
	}
	return string(text)
}

// String is the entry as Table.String writes it: steps with "|" between them, each "end", "linger",
// "all/<rule>", "pod/<rule>", or "restart/policy" or "restart/<rule>", the latter with "*<max>" and
// "@<within>" if it has them.
func (e Entry) String() string { return string(e.append(nil)) }

func (e Entry) append(text []byte) []byte {
	for i, s := range e {
		if i > 0 {
			text = append(text, '|')
		}
		text = s.append(text)
	}
	return text
}

func (s Step) append(text []byte) []byte {
	switch s.Action {
	case Restart:
	case Linger:
		return append(text, "linger"...)
	case All:
		return strconv.AppendInt(append(text, "all/"...), int64(s.Rule), 10)
	case Pod:
		return strconv.AppendInt(append(text, "pod/"...), int64(s.Rule), 10)
	default:
		return append(text, "end"...)
	}
	text = append(text, "restart/"...)
	if s.Rule == Policy {
		text = append(text, "policy"...)
	} else {
		text = strconv.AppendInt(text, int64(s.Rule), 10)
	}
	if s.Max > 0 {
		text = strconv.AppendInt(append(text, '*'), int64(s.Max), 10)
	}
	if s.Max > 0 && s.Within > 0 {
		text = append(append(text, '@'), s.Within.String()...)
	}
	return text
}

// String is "<max>/end" or "<max>/linger". ParseTotal reads it.
func (t Total) String() string {
	return strconv.Itoa(int(t.Max)) + "/" + Entry{{Action: t.Then}}.String()
}

// ParseTotal reads what Total.String writes.
func ParseTotal(text string) (*Total, error) {
	number, then, _ := strings.Cut(text, "/")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || then != "end" && then != "linger" {
		return nil, errors.New(strconv.Quote(text) + ": expected <number>/end or <number>/linger")
	}
	t := &Total{Max: int32(n)}
	if then == "linger" {
		t.Then = Linger
	}
	return t, nil
}

// Parse reads what Table.String writes. Every code must be covered, in ascending order, once.
func Parse(text string) (*Table, error) {
	t := new(Table)
	next := 0
	for _, part := range strings.Split(text, ",") {
		codes, steps, ok := strings.Cut(part, ":")
		if !ok {
			return nil, errors.New("exit table: " + strconv.Quote(part) + ": expected codes:action")
		}
		lo, hi, err := parseRange(codes)
		if err != nil {
			return nil, err
		}
		if lo != next {
			return nil, errors.New("exit table: " + strconv.Quote(part) + ": expected to go on with code " + strconv.Itoa(next))
		}
		e, err := parseEntry(steps)
		if err != nil {
			return nil, err
		}
		for code := lo; code <= hi; code++ {
			t[code] = e
		}
		next = hi + 1
	}
	if next != Codes {
		return nil, errors.New("exit table: ends before code " + strconv.Itoa(next) + ", must cover 0-255")
	}
	return t, nil
}

func parseRange(text string) (lo, hi int, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	l, errLo := strconv.ParseUint(first, 10, 8)
	h, errHi := strconv.ParseUint(last, 10, 8)
	if errLo != nil || errHi != nil || l > h {
		return 0, 0, errors.New("exit table: " + strconv.Quote(text) + ": expected a code 0..255 or a range lo-hi")
	}
	return int(l), int(h), nil
}

func parseEntry(text string) (Entry, error) {
	var e Entry
	for _, step := range strings.Split(text, "|") {
		s, err := parseStep(step)
		if err != nil {
			return nil, err
		}
		if n := len(e); n > 0 && e[n-1].Max == 0 {
			return nil, errors.New("exit table: " + strconv.Quote(text) + ": nothing can come after a step without a limit")
		}
		e = append(e, s)
	}
	if e[len(e)-1].Max != 0 {
		return nil, errors.New("exit table: " + strconv.Quote(text) + ": the last step must have no limit")
	}
	return e, nil
}

func parseStep(text string) (Step, error) {
	switch text {
	case "end":
		return Step{Action: End, Rule: Policy}, nil
	case "linger":
		return Step{Action: Linger, Rule: Policy}, nil
	}
	verb, rest, _ := strings.Cut(text, "/")
	switch verb {
	case "restart":
		return parseRestart(text, rest)
	case "all":
		return parseAsk(All, text, rest)
	case "pod":
		return parseAsk(Pod, text, rest)
	}
	return Step{}, errors.New("exit table: unknown action " + strconv.Quote(text) +
		", expected end, linger, restart/policy, restart/<rule>, all/<rule> or pod/<rule>")
}

// parseAsk reads what is behind "all/" or "pod/".
func parseAsk(action Action, text, by string) (Step, error) {
	rule, err := strconv.ParseUint(by, 10, 15)
	if err != nil {
		return Step{}, errors.New("exit table: " + strconv.Quote(text) + ": expected a rule index behind the slash")
	}
	return Step{Action: action, Rule: int16(rule)}, nil
}

// parseRestart reads what is behind "restart/".
func parseRestart(text, rest string) (Step, error) {
	by, limit, limited := strings.Cut(rest, "*")
	s := Step{Action: Restart, Rule: Policy}
	if by != "policy" {
		rule, err := strconv.ParseUint(by, 10, 15)
		if err != nil {
			return Step{}, errors.New("exit table: " + strconv.Quote(text) + ": expected restart/policy or restart/<rule index>")
		}
		s.Rule = int16(rule)
	}
	if !limited {
		return s, nil
	}
	limit, within, timed := strings.Cut(limit, "@")
	most, err := strconv.ParseUint(limit, 10, 31)
	if err == nil && timed {
		s.Within, err = time.ParseDuration(within)
	}
	if err != nil || most == 0 || s.Rule == Policy || timed && s.Within <= 0 {
		return Step{}, errors.New("exit table: " + strconv.Quote(text) + ": expected restart/<rule index>*<max>[@<duration>]")
	}
	s.Max = int32(most)
	return s, nil
}
