package main

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
)

// testOutput passes on what go test -v prints, but for the tests that begin and pass, and keeps a
// list of those that were skipped, each with its reason.
type testOutput struct {
	out     io.Writer
	skipped []string
	// failed are the tests that failed, subtests apart.
	failed []string
	// broken says that a package ended before all of its tests had run.
	broken bool
	// why is what the tests that failed logged, the end of it; again that of tests that were run once more.
	why, again []string
	// last are the last lines that were passed on.
	last []string

	rest []byte // of a line that is not complete

	test string              // whose lines these are
	logs map[string][]string // by test
}

// lastLines is how many lines of a part or test that failed are repeated at the end.
const lastLines = 25

var (
	uninteresting = regexp.MustCompile(`^(=== (RUN|PAUSE|CONT|NAME) |\s*--- PASS: )`)
	whose         = regexp.MustCompile(`^=== (?:RUN|CONT|NAME)\s+(\S+)`)
	passed        = regexp.MustCompile(`^\s*--- PASS: (\S+)`)
	failed        = regexp.MustCompile(`^(\s*)--- FAIL: (\S+)`)
	skip          = regexp.MustCompile(`^\s*--- SKIP: (\S+)`)
	logged        = regexp.MustCompile(`^\s+\S+_test\.go:\d+: (.*)`)
)

func (o *testOutput) Write(b []byte) (int, error) {
	o.rest = append(o.rest, b...)
	for {
		line, rest, complete := bytes.Cut(o.rest, []byte("\n"))
		if !complete {
			return len(b), nil
		}
		if err := o.line(string(line)); err != nil {
			return 0, err
		}
		o.rest = rest
	}
}

func (o *testOutput) line(line string) error {
	if m := skip.FindStringSubmatch(line); m != nil {
		o.skipped = append(o.skipped, m[1]+": "+o.reasonOf(m[1]))
	}
	o.attribute(line)
	o.broken = o.broken || strings.HasPrefix(line, "panic: ")
	if uninteresting.MatchString(line) {
		return nil
	}
	o.last = appendLast(o.last, line)
	_, err := io.WriteString(o.out, line+"\n")
	return err
}

// reasonOf is the last line that a test has logged.
func (o *testOutput) reasonOf(test string) string {
	for _, line := range slices.Backward(o.logs[test]) {
		if m := logged.FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
	return "it does not say why"
}

// attribute keeps what each test logs until it is known how the test ends.
func (o *testOutput) attribute(line string) {
	if m := whose.FindStringSubmatch(line); m != nil {
		o.test = m[1]
	} else if m := passed.FindStringSubmatch(line); m != nil {
		delete(o.logs, m[1])
	} else if m := failed.FindStringSubmatch(line); m != nil {
		if m[1] == "" {
			o.failed = append(o.failed, m[2])
		}
		o.why = append(append(o.why, o.logs[m[2]]...), line)
		delete(o.logs, m[2])
	} else if o.test != "" {
		if o.logs == nil {
			o.logs = map[string][]string{}
		}
		o.logs[o.test] = appendLast(o.logs[o.test], line)
	}
}

func appendLast(lines []string, line string) []string {
	if len(lines) == lastLines {
		lines = lines[1:]
	}
	return append(lines, line)
}
