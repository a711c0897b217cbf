package restartall

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestApart(t *testing.T) {
	native := Outcome{Phase: "Failed", Runs: []string{"init 1 exit 0", "a 1 exit 42", "a 2 exit 1"}, Codes: map[string]int32{"a": 137}}
	ours := Outcome{Phase: "Failed", Runs: []string{"init 1 exit 0", "a 1 exit 42", "init 2 exit 0", "a 2 exit 1"}, Codes: map[string]int32{"a": 1}}
	initAgain := Difference{Name: "init runs again", Scenario: "s", Ours: []string{"init 2 exit 0"}}
	code := Difference{Name: "code", Scenario: "s", Native: []string{"code of a 137"}, Ours: []string{"code of a 1"}}
	for name, test := range map[string]struct {
		native, ours Outcome
		allowed      []Difference
		err          string
	}{
		"equal":           {native: native, ours: native},
		"allowed":         {native: native, ours: ours, allowed: []Difference{initAgain, code}},
		"not allowed":     {native: native, ours: ours, allowed: []Difference{initAgain}, err: "only native: code of a 137\nonly ours: code of a 1"},
		"not needed":      {native: native, ours: native, allowed: []Difference{code}, err: `difference "code" is allowed for nothing: not only native: code of a 137`},
		"only half":       {native: native, ours: ours, allowed: []Difference{code, code, initAgain}, err: `difference "code" is allowed for nothing: not only native: code of a 137`},
		"of another":      {native: native, ours: ours, allowed: []Difference{initAgain, {Name: "code", Scenario: "t", Native: code.Native, Ours: code.Ours}}, err: "only native: code of a 137\nonly ours: code of a 1"},
		"in other places": {native: Outcome{Runs: []string{"a", "b"}}, ours: Outcome{Runs: []string{"b", "a"}}, err: "only native: a\nonly ours: a"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Apart("s", test.native, test.ours, test.allowed)
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.err)
			}
		})
	}
}

func TestLoadDifferencesRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no reason": "[{name: n, scenario: s, ours: [line]}]",
		"no lines":  "[{name: n, scenario: s, reason: r}]",
		"a typo":    "[{name: n, scenario: s, reasons: r, ours: [line]}]",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "differences.yaml")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			_, err := LoadDifferences(file)
			require.ErrorContains(t, err, file)
		})
	}
}
