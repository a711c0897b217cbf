package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"restartrules.dev/pkg/api"
)

// field is the parser of the value of one key.
type field struct {
	key   string
	parse func(path string, n *yaml.Node)
}

var lineInMessage = regexp.MustCompile(`^yaml: line (\d+): `)

func (p *parser) fail(path string, line int, format string, args ...any) {
	p.errs = append(p.errs, &DocumentError{Annotation: p.annotation, Path: path, Line: line, Detail: fmt.Sprintf(format, args...)})
}

func (p *parser) root(text string) *yaml.Node {
	data := []byte(text)
	if json.Valid(data) {
		// JSON may be indented with tabs, YAML may not; inside JSON's strings there are none.
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" "))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		p.fail("", 0, "is empty, expected a document with containers or initContainers")
		return nil
	}
	if err != nil {
		p.syntax(err)
		return nil
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		p.fail("", more.Line, "a second YAML document begins here, expected only one")
	}
	return doc.Content[0]
}

// syntax reports what the YAML parser says. Its messages carry the line as text.
func (p *parser) syntax(err error) {
	message, line := err.Error(), 0
	if m := lineInMessage.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	p.fail("", line, "neither YAML nor JSON: %s", strings.TrimPrefix(message, "yaml: "))
}

func (p *parser) duration(path string, n *yaml.Node) (d time.Duration, text string, ok bool) {
	const expected = `a duration like "500ms", "10s" or "5m"`
	text, ok = p.text(path, n, expected)
	if !ok {
		return 0, "", false
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		p.fail(path, n.Line, "expected %s, got %q", expected, text)
		return 0, "", false
	}
	return d, text, true
}

// number reads an integer from least to most.
func (p *parser) number(path string, n *yaml.Node, least, most int32) (int32, bool) {
	v, ok := integer(n, least, most)
	if !ok {
		p.fail(path, n.Line, "expected a number from %d to %d, got %s", least, most, describe(n))
	}
	return v, ok
}

// integer is the value of a node that holds an integer from least to most, otherwise 0.
func integer(n *yaml.Node, least, most int32) (int32, bool) {
	var v int64
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || n.Decode(&v) != nil || v < int64(least) || v > int64(most) {
		return 0, false
	}
	return int32(v), true
}

// truth reads true or false.
func (p *parser) truth(path string, n *yaml.Node) (v bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(&v) != nil {
		p.fail(path, n.Line, "expected true or false, got %s", describe(n))
	}
	return v
}

// mapping reads an object whose keys are known.
func (p *parser) mapping(path string, n *yaml.Node, fields []field) {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	p.entries(path, n, "an object with "+strings.Join(keys, ", "), func(key, value *yaml.Node) {
		if i := slices.Index(keys, key.Value); i >= 0 {
			fields[i].parse(p.at(join(path, key.Value), key), value)
			return
		}
		switch {
		case p.nativeOnly && slices.Contains(beyondNative, key.Value):
			p.fail(path, key.Line, "%s is not one of Kubernetes' own fields, and this annotation holds only those: write it in the annotation %s", key.Value, api.RulesAnnotation)
		default:
			p.fail(path, key.Line, "unknown key %q, %s", key.Value, suggest(key.Value, keys))
		}
	})
}

// entries reads an object with any keys, each once.
func (p *parser) entries(path string, n *yaml.Node, expected string, each func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.fail(path, n.Line, "expected %s, got %s", expected, describe(n))
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			p.fail(path, key.Line, "expected a key, got %s", describe(key))
			continue
		}
		if first, ok := lines[key.Value]; ok {
			p.fail(path, key.Line, "key %q is there twice, first in line %d", key.Value, first)
			continue
		}
		lines[key.Value] = key.Line
		each(key, n.Content[i+1])
	}
}

func (p *parser) items(path string, n *yaml.Node, expected string, each func(path string, n *yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		p.fail(path, n.Line, "expected %s, got %s", expected, describe(n))
		return
	}
	for i, item := range n.Content {
		each(p.at(path+"["+strconv.Itoa(i)+"]", item), item)
	}
}

func (p *parser) text(path string, n *yaml.Node, expected string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		p.fail(path, n.Line, "expected %s, got %s", expected, describe(n))
		return "", false
	}
	return n.Value, true
}

// at remembers the line of the path.
func (p *parser) at(path string, n *yaml.Node) string {
	p.doc.lines[path] = n.Line
	return path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*" + n.Value + "), which is not supported"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return strconv.Quote(n.Value)
}
