package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/cmd/kubectl-restartrules/internal/source"
)

type severity string

const (
	severityError   severity = "error"
	severityWarning severity = "warning"
	severityNote    severity = "note"
)

// finding is one thing to say about an object.
type finding struct {
	Severity severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line"`
	// Document counts from 1 in its file.
	Document int    `json:"document"`
	Object   string `json:"object"`
	Field    string `json:"field,omitempty"`
	Message  string `json:"message"`
}

func at(o *source.Object, s severity, path, message string) finding {
	return finding{s, o.Document.File, o.Line(path), o.Document.Index, o.ID(), path, message}
}

// ofErrors are the findings of field errors.
func ofErrors(o *source.Object, errs field.ErrorList) (list []finding) {
	for _, err := range errs {
		list = append(list, at(o, severityError, err.Field, err.ErrorBody()))
	}
	return list
}

// containerInWarning is how warnings begin that are about one container.
var containerInWarning = regexp.MustCompile(`^(?:init )?container "([^"]*)": `)

// ofWarnings are the findings of warnings. Those about a container point to it.
func ofWarnings(s *subject, warnings []string) (list []finding) {
	for _, w := range warnings {
		f := at(s.Object, severityWarning, "", w)
		if m := containerInWarning.FindStringSubmatch(w); m != nil {
			if path := s.containerPath(m[1]); path != "" {
				f.Line = s.Line(path)
			}
		}
		list = append(list, f)
	}
	return list
}

// text is the finding as compilers print theirs.
func (f *finding) text() string {
	where := f.Object
	if f.Field != "" {
		where += ": " + f.Field
	}
	return fmt.Sprintf("%s:%d: %s: %s: %s", f.File, f.Line, f.Severity, where, f.Message)
}

// github is the finding as a GitHub workflow command
// (upstream: actions/toolkit, packages/core/src/command.ts, for the escapes).
func (f *finding) github() string {
	command := string(f.Severity)
	if f.Severity == severityNote {
		command = "notice"
	}
	message := f.Message
	if f.Field != "" {
		message = f.Field + ": " + message
	}
	file := ""
	if f.File != source.Stdin {
		file = "file=" + escapeProperty(f.File) + ","
	}
	return fmt.Sprintf("::%s %sline=%d,title=%s::%s", command, file, f.Line, escapeProperty(f.Object), escapeData(message))
}

func escapeData(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func escapeProperty(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}

// printFindings prints one finding per line.
func printFindings(w io.Writer, findings []finding, form func(*finding) string) {
	for i := range findings {
		fmt.Fprintln(w, form(&findings[i]))
	}
}

func count(findings []finding, s severity) (n int) {
	for i := range findings {
		if findings[i].Severity == s {
			n++
		}
	}
	return n
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
