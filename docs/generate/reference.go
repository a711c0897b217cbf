package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// name is a constant of package api, or some that have a comment together.
type name struct {
	identifier string
	values     []string
	doc        string
}

const (
	referenceHead = `# Reference of names

Generated from [pkg/api](../pkg/api/names.go) by ` + "`make docs`" + `. How to use them is in [rules.md](rules.md),
what is in the documents in [protocol.md](protocol.md).
`
	labelsHead      = "\n## Labels\n\n| label | is |\n| --- | --- |\n"
	annotationsHead = "\n## Annotations\n\nOf Pods, or of the metadata of Pod templates.\n\n| annotation | is |\n| --- | --- |\n"
	namesHead       = "\n## Names in an injected Pod\n\n| name | is |\n| --- | --- |\n"
)

// reference is the page with what package api in dir names.
func reference(dir string) ([]byte, error) {
	names, value, err := namesOf(dir)
	if err != nil {
		return nil, err
	}
	var labels, annotations, rest []string
	for _, n := range names {
		if n.identifier == "EntryPointPrefix" {
			n.values[0] += "NAME"
		}
		row := fmt.Sprintf("| `%s` | %s |\n", strings.Join(n.values, "`, `"), n.sentence(value))
		switch {
		case strings.HasSuffix(n.identifier, "Label"):
			labels = append(labels, row)
		case strings.HasSuffix(n.identifier, "Annotation"), n.identifier == "EntryPointPrefix":
			annotations = append(annotations, row)
		default:
			rest = append(rest, row)
		}
	}
	slices.Sort(labels)
	slices.Sort(annotations)
	var page bytes.Buffer
	page.WriteString(referenceHead)
	for _, part := range []struct {
		head string
		rows []string
	}{{labelsHead, labels}, {annotationsHead, annotations}, {namesHead, rest}} {
		page.WriteString(part.head + strings.Join(part.rows, ""))
	}
	return page.Bytes(), nil
}

// namesOf are the constants of a package that have a comment, in the order of its text, and the values of all.
func namesOf(dir string) ([]name, map[string]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, filepath.Join(dir, "names.go"), nil, parser.ParseComments)
	if err != nil {
		return nil, nil, err
	}
	checked, err := (&types.Config{}).Check("api", files, []*ast.File{file}, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: constants that need other files: %w", dir, err)
	}
	var names []name
	values := map[string]string{}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for at, spec := range group.Specs {
			spec := spec.(*ast.ValueSpec)
			id := spec.Names[0].Name
			values[id] = constant.StringVal(checked.Scope().Lookup(id).(*types.Const).Val())
			doc := strings.Join(strings.Fields(spec.Doc.Text()), " ")
			// A constant right behind another has its comment.
			behind := at > 0 && files.Position(spec.Pos()).Line == files.Position(group.Specs[at-1].End()).Line+1
			switch last := len(names) - 1; {
			case doc != "":
				names = append(names, name{id, []string{values[id]}, doc})
			case behind && last >= 0 && names[last].doc != "":
				names[last].values = append(names[last].values, values[id])
			default:
				names = append(names, name{identifier: id})
			}
		}
	}
	return slices.DeleteFunc(names, func(n name) bool { return n.doc == "" }), values, nil
}

var identifier = regexp.MustCompile(`\b[A-Z][A-Za-z]+\b`)

// sentence is the comment without the name that it begins with, and with values in place of names.
func (n *name) sentence(value map[string]string) string {
	text := n.doc
	if len(n.values) == 1 {
		text = strings.TrimLeft(strings.TrimPrefix(text, n.identifier), ", ")
		text = strings.TrimPrefix(strings.TrimPrefix(text, "is "), "and behind it ")
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "|", `\|`), `"`, "`")
	return identifier.ReplaceAllStringFunc(text, func(word string) string {
		if v, found := value[word]; found {
			return "`" + v + "`"
		}
		return word
	})
}
