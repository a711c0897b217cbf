// Package exittable is the part of a container's restart rules that its shim carries with it: for
// every exit code, what to do. It is linked into the binary that runs in every container, so it
// imports next to nothing.
package exittable

import (
	"errors"
	"strconv"
	"strings"
)

// Action is what a shim does when its command has ended.
type Action uint8

const (
	// End lets the container end with the command's exit code: for good, or because the kubelet
	// restarts it under the Pod's policy.
	End Action = iota
	// Restart starts the command again in place.
	Restart
)

// Policy is the Rule of an entry that no rule but a restartPolicy decided.
const Policy = -1

// Codes is how many exit codes there are: 0..255, death by signal n being 128+n.
const Codes = 256

// Entry is the decision for one exit code.
type Entry struct {
	Action Action
	// Rule is the index in restartPolicyRules of the rule that decided a Restart, or Policy.
	// It is Policy for End.
	Rule int16
}

// Table has an entry for every exit code. The zero value ends on every code, by rule 0; build
// tables with Parse or from All.
type Table [Codes]Entry

// All is the table that has the same entry for every code.
func All(e Entry) *Table {
	t := new(Table)
	for i := range t {
		t[i] = e
	}
	return t
}

// String is the table's text: ascending, comma-separated lo[-hi]:action, equal neighbours joined,
// covering 0..255; for example "0-41:end,42:restart/0,43-255:end". Parse reads it.
func (t *Table) String() string {
	var b strings.Builder
	for lo := 0; lo < Codes; {
		hi := lo
		for hi+1 < Codes && t[hi+1] == t[lo] {
			hi++
		}
		if lo > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(lo))
		if hi > lo {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(hi))
		}
		b.WriteByte(':')
		b.WriteString(t[lo].String())
		lo = hi + 1
	}
	return b.String()
}

// String is the entry as Table.String writes it: "end", "restart/policy" or "restart/<rule>".
func (e Entry) String() string {
	if e.Action == End {
		return "end"
	}
	if e.Rule == Policy {
		return "restart/policy"
	}
	return "restart/" + strconv.Itoa(int(e.Rule))
}

// Parse reads what Table.String writes. Every code must be covered, in ascending order, once.
func Parse(text string) (*Table, error) {
	t := new(Table)
	next := 0
	for _, part := range strings.Split(text, ",") {
		codes, action, ok := strings.Cut(part, ":")
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
		e, err := parseEntry(action)
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
	if text == "end" {
		return Entry{Action: End, Rule: Policy}, nil
	}
	by, ok := strings.CutPrefix(text, "restart/")
	if !ok {
		return Entry{}, errors.New("exit table: unknown action " + strconv.Quote(text) + ", expected end, restart/policy or restart/<rule>")
	}
	if by == "policy" {
		return Entry{Action: Restart, Rule: Policy}, nil
	}
	rule, err := strconv.ParseUint(by, 10, 15)
	if err != nil {
		return Entry{}, errors.New("exit table: " + strconv.Quote(text) + ": expected restart/policy or restart/<rule index>")
	}
	return Entry{Action: Restart, Rule: int16(rule)}, nil
}
