package main

import (
	"bytes"
	"io"
	"regexp"
)

// testOutput passes on what go test -v prints, but for the tests that begin and pass, and keeps a
// list of those that were skipped, each with its reason.
type testOutput struct {
	out     io.Writer
	skipped []string
	// last are the last lines that were passed on.
	last []string

	rest   []byte // of a line that is not complete
	reason string // the last line that a test logged
}

// lastLines is how many lines of a part that failed are repeated at the end.
const lastLines = 25

var (
	uninteresting = regexp.MustCompile(`^(=== (RUN|PAUSE|CONT|NAME) |\s*--- PASS: )`)
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
	if m := logged.FindStringSubmatch(line); m != nil {
		o.reason = m[1]
	}
	if m := skip.FindStringSubmatch(line); m != nil {
		o.skipped = append(o.skipped, m[1]+": "+o.reason)
	}
	if uninteresting.MatchString(line) {
		return nil
	}
	if len(o.last) == lastLines {
		o.last = o.last[1:]
	}
	o.last = append(o.last, line)
	_, err := io.WriteString(o.out, line+"\n")
	return err
}
