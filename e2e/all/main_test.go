package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRunGoesOnAfterAFailureAndTellsOfIt(t *testing.T) {
	nothing := func() (string, string) { return "", "" }
	lacking := func() (string, string) { return "no moon", "a moon" }
	good := part{name: "good", commands: [][]string{{"go", "version"}}, lacks: nothing}
	bad := part{name: "bad", commands: [][]string{{"go", "no-such-command"}, {"go", "version"}}}
	said := part{name: "said", commands: [][]string{{"sh", "-c", "echo why; exit 3"}}}
	left := part{name: "left", commands: [][]string{{"go", "no-such-command"}}, lacks: lacking}
	for name, test := range map[string]struct {
		parts []part
		code  int
		end   string
	}{
		"all pass":  {[]part{good, good}, 0, "failed: nothing\nleft out: nothing\n2 passed, 0 failed\n"},
		"left out":  {[]part{good, left}, 0, "failed: nothing\nleft out:\n  left: no moon; needed: a moon\n1 passed, 0 failed\n"},
		"a failure": {[]part{bad, good}, 1, "failed:\n  bad: go no-such-command: exit status 2\nleft out: nothing\n1 passed, 1 failed\n"},
		"its last lines are repeated": {[]part{said}, 1,
			"failed:\n  said: sh -c echo why; exit 3: exit status 3\n    | why\nleft out: nothing\n0 passed, 1 failed\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.Equal(t, test.code, run(t.Context(), &out, test.parts, nil))
			require.True(t, strings.HasSuffix(out.String(), test.end), out.String())
		})
	}
}

// failsOnce is a part whose test fails the first time. The script is told what to run.
func failsOnce(t *testing.T) part {
	file := filepath.Join(t.TempDir(), "ran")
	script := `echo "=== RUN   TestMoon"; echo "    moon_test.go:7: it is new"; echo "ran $1"
		if [ -e ` + file + ` ]; then echo "--- PASS: TestMoon (0.00s)"; exit 0; fi
		touch ` + file + `; echo "--- FAIL: TestMoon (0.00s)"; exit 1`
	return part{name: "moon", commands: [][]string{{"sh", "-c", script, "sh"}}}
}

func TestAPartMayRunItsFailedTestsOnceMoreAndSaysSo(t *testing.T) {
	p := failsOnce(t)
	p.again = true
	p.commands = append(p.commands, []string{"sh", "-c", "echo what comes after it, $# arguments", "sh"})
	var out bytes.Buffer
	require.Zero(t, run(t.Context(), &out, []part{p}, nil))
	require.Contains(t, out.String(), "ran RUN=^(TestMoon)$$\n")
	require.Contains(t, out.String(), "what comes after it, 0 arguments\n", "is run as well, and all of it")
	require.True(t, strings.HasSuffix(out.String(), `failed: nothing
failed once, to be looked into:
  moon
    |     moon_test.go:7: it is new
    | ran `+`
    | --- FAIL: TestMoon (0.00s)
left out: nothing
1 passed, 0 failed
`), out.String())

	out.Reset()
	require.Equal(t, 1, run(t.Context(), &out, []part{failsOnce(t)}, nil), "others don't")

	p = failsOnce(t)
	p.again = true
	p.commands[0][2] = strings.Replace(p.commands[0][2], "exit 1", "echo 'panic: the moon fell'; exit 1", 1)
	require.Equal(t, 1, run(t.Context(), &out, []part{p}, nil), "nor do those behind which others didn't run")
}

// TestWhatRunsAgainIsOneGoTest: otherwise what comes after one that failed would be left out.
func TestWhatRunsAgainIsOneGoTest(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	for _, p := range parts {
		for _, c := range p.commands {
			if !p.again {
				continue
			}
			_, recipe, found := strings.Cut(string(makefile), "\n"+c[1]+":")
			require.True(t, found, c)
			recipe, _, _ = strings.Cut(recipe, "\n\n")
			require.Equal(t, 1, strings.Count(recipe, "go test "), c)
			require.Contains(t, recipe, "$(RUN)", c)
		}
	}
}

func TestSkippedTestsAreListedWithTheirReason(t *testing.T) {
	var out bytes.Buffer
	o := &testOutput{out: &out}
	for _, piece := range []string{"=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   Test", "B\n",
		"    b_test.go:7: needs root to fly\n=== RUN   TestC/sub\n    c_test.go:7: too cold\n", "=== NAME  TestD\n    d_test.go:7: something else\n",
		"--- SKIP: TestB (0.00s)\n", "    --- SKIP: TestC/sub (0.00s)\n--- SKIP: TestE (0.00s)\nPASS\n"} {
		_, err := o.Write([]byte(piece))
		require.NoError(t, err)
	}
	require.Equal(t, []string{"TestB: needs root to fly", "TestC/sub: too cold", "TestE: it does not say why"}, o.skipped)
	require.Equal(t, `    b_test.go:7: needs root to fly
    c_test.go:7: too cold
    d_test.go:7: something else
--- SKIP: TestB (0.00s)
    --- SKIP: TestC/sub (0.00s)
--- SKIP: TestE (0.00s)
PASS
`, out.String())
}
