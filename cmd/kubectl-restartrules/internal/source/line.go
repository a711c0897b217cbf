package source

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// Line is the line of the object's file in which the field of that path begins, or the nearest field
// around it that is written. A path may go on into the document of an annotation.
func (o *Object) Line(path string) int {
	n := o.node
	if n == nil {
		return o.Document.line + 1
	}
	line, keys := n.Line, steps(path)
	for i, key := range keys {
		next := child(n, key)
		if next.value == nil {
			if n.Kind == yaml.ScalarNode && i > 0 {
				line += inside(n, keys[i-1], path)
			}
			break
		}
		n, line = next.value, next.line
	}
	return o.Document.line + line
}

// Key is a key of an object as it was written.
type Key struct {
	Name string
	Line int
}

// Keys are the keys of the object at the path, in the order in which they are written, those that are
// there twice included.
func (o *Object) Keys(path string) []Key {
	n := o.at(path)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var keys []Key
	for i := 0; i < len(n.Content); i += 2 {
		keys = append(keys, Key{n.Content[i].Value, o.Document.line + n.Content[i].Line})
	}
	return keys
}

// Len is how many items the list at the path has.
func (o *Object) Len(path string) int {
	n := o.at(path)
	if n == nil || n.Kind != yaml.SequenceNode {
		return 0
	}
	return len(n.Content)
}

func (o *Object) at(path string) *yaml.Node {
	n := content(o.node)
	for _, key := range steps(path) {
		n = child(n, key).value
	}
	return n
}

// steps are the keys and indexes of a path like spec.containers[0].env or annotations[a.b/c].
func steps(path string) []string {
	var keys []string
	for path != "" {
		end := strings.IndexAny(path, ".[")
		switch {
		case end < 0:
			return append(keys, path)
		case path[end] == '.' && end > 0:
			keys = append(keys, path[:end])
			path = path[end+1:]
		case path[end] == '.':
			path = path[1:]
		case end > 0:
			keys = append(keys, path[:end])
			path = path[end:]
		default:
			key, rest, _ := strings.Cut(path[1:], "]")
			keys = append(keys, key)
			path = rest
		}
	}
	return keys
}

// inside is how many lines below its key a field of an annotation's document is written. Only in a
// literal block are the lines of the document those of the file.
func inside(n *yaml.Node, annotation, path string) int {
	if n.Style&yaml.LiteralStyle == 0 || annotation != api.RulesAnnotation {
		return 0
	}
	_, path, _ = strings.Cut(path, "["+annotation+"].")
	doc, errs := manifest.ParseDocument(n.Value)
	for _, err := range errs {
		if err.Path == path {
			return err.Line
		}
	}
	for path != "" {
		if line := doc.Line(path); line > 0 {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// Texts are the values of one key in each item of the list at the path; empty where there is none.
func (o *Object) Texts(path, key string) []string {
	texts := make([]string, o.Len(path))
	if len(texts) == 0 {
		return nil
	}
	for i, item := range o.at(path).Content {
		if v := child(item, key).value; v != nil {
			texts[i] = v.Value
		}
	}
	return texts
}
