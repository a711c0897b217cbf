package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"restartrules.dev/cmd/kubectl-restartrules/internal/source"
	"restartrules.dev/pkg/inject"
)

// rewrite prints all documents, each with the operations that change makes for its objects: with
// pointers of the object, none to leave it as it is. If anything is wrong nothing is printed but that.
func (o *inputOptions) rewrite(cmd *cobra.Command, output *choice, change func(*subject) ([]inject.Op, []finding, error)) error {
	in, err := o.read(cmd)
	if err != nil {
		return err
	}
	findings := in.findings
	ops := map[*source.Document][]inject.Op{}
	for _, s := range in.subjects {
		more, found, err := change(s)
		if err != nil {
			return err
		}
		findings = append(findings, found...)
		ops[s.Document] = append(ops[s.Document], prefixed(s.Pointer, more)...)
	}
	in.sort(findings)
	printFindings(cmd.ErrOrStderr(), findings, (*finding).text)
	if in.unread != nil {
		return in.unread
	}
	if count(findings, severityError) > 0 {
		return errFindings
	}
	return printDocuments(cmd.OutOrStdout(), in.docs, ops, output.value)
}

// printDocuments prints a stream. It is all made before anything is written.
func printDocuments(w io.Writer, docs []*source.Document, ops map[*source.Document][]inject.Op, form string) error {
	var out bytes.Buffer
	for i, d := range docs {
		asJSON, asYAML, err := d.Patch(ops[d])
		if err != nil {
			return err
		}
		if form == "json" {
			if err := json.Indent(&out, asJSON, "", "  "); err != nil {
				return err
			}
			out.WriteByte('\n')
			continue
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.WriteString(strings.TrimRight(string(asYAML), "\r\n") + "\n")
	}
	_, err := w.Write(out.Bytes())
	return err
}

// prefixed are the operations with the pointers of an object around theirs.
func prefixed(pointer string, ops []inject.Op) (list []inject.Op) {
	for _, op := range ops {
		op.Path = pointer + op.Path
		list = append(list, op)
	}
	return list
}

// withMetadata is the Pod or Pod template with metadata, which a template need not have, and the
// operation that adds it.
func withMetadata(object []byte) ([]byte, []inject.Op, error) {
	var has struct {
		Metadata json.RawMessage `json:"metadata"`
	}
	if err := json.Unmarshal(object, &has); err != nil {
		return nil, nil, err
	}
	if len(has.Metadata) > 0 && string(has.Metadata) != "null" {
		return object, nil, nil
	}
	ops := []inject.Op{{Op: "add", Path: "/metadata", Value: map[string]any{}}}
	object, err := source.Apply(object, ops)
	return object, ops, err
}
