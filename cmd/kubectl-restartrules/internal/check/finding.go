// Package check judges a cluster: whether Restart Rules is set up in it, and whether it can be. It is pure: package
// cluster reads what is judged here.
package check

import (
	"cmp"
	"slices"
)

// Severity says how bad a finding is.
type Severity string

// Severities. An error keeps restart rules from being applied, or Pods from being created; a warning does not yet, or
// hides what happens.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is one thing that is wrong.
type Finding struct {
	// Code is one of Codes, and stays what it is in later releases.
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	// Object is what it is about, as Kind/name or Kind/namespace/name.
	Object string `json:"object"`
	// What is seen, and Why that is wrong: sentences without a full stop at the end.
	What string `json:"what"`
	Why  string `json:"why"`
	// Fix is a command to type.
	Fix string `json:"fix"`
}

// LeftOut is a check that could not be done.
type LeftOut struct {
	Check string `json:"check"`
	// Needs is the right that is missing, Because any other reason.
	Needs   string `json:"needs,omitempty"`
	Because string `json:"because,omitempty"`
}

// Result is all that is to say of a cluster.
type Result struct {
	Findings []Finding `json:"findings"`
	// Notes say what is worth knowing and nothing wrong.
	Notes   []string  `json:"notes"`
	LeftOut []LeftOut `json:"leftOut"`
}

// Count counts findings of a severity.
func (r *Result) Count(s Severity) (n int) {
	for i := range r.Findings {
		if r.Findings[i].Severity == s {
			n++
		}
	}
	return n
}

func (r *Result) add(f ...Finding) { r.Findings = append(r.Findings, f...) }

func (r *Result) note(text string) { r.Notes = append(r.Notes, text) }

// has reports whether there is a finding with one of these codes.
func (r *Result) has(codes ...string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return slices.Contains(codes, f.Code) })
}

// finish sorts, and leaves no list nil.
func (r *Result) finish() *Result {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Object, b.Object))
	})
	r.Findings = append([]Finding{}, r.Findings...)
	r.Notes = append([]string{}, r.Notes...)
	r.LeftOut = append([]LeftOut{}, r.LeftOut...)
	return r
}
