package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunGoesOnAfterAFailureAndTellsOfIt(t *testing.T) {
	nothing := func() (string, string) { return "", "" }
	lacking := func() (string, string) { return "no moon", "a moon" }
	good := part{name: "good", commands: [][]string{{"go", "version"}}, lacks: nothing}
	bad := part{name: "bad", commands: [][]string{{"go", "no-such-command"}, {"go", "version"}}}
	left := part{name: "left", commands: [][]string{{"go", "no-such-command"}}, lacks: lacking}
	for name, test := range map[string]struct {
		parts []part
		code  int
		end   string
	}{
		"all pass":  {[]part{good, good}, 0, "failed: nothing\nleft out: nothing\n2 passed, 0 failed\n"},
		"left out":  {[]part{good, left}, 0, "failed: nothing\nleft out:\n  left: no moon; needed: a moon\n1 passed, 0 failed\n"},
		"a failure": {[]part{bad, good}, 1, "failed:\n  bad: go no-such-command: exit status 2\nleft out: nothing\n1 passed, 1 failed\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.Equal(t, test.code, run(t.Context(), &out, test.parts, nil))
			require.True(t, strings.HasSuffix(out.String(), test.end), out.String())
		})
	}
}
