package source

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// entry is a value in a tree of nodes and the line that it begins in: that of its key, if it has one.
type entry struct {
	value *yaml.Node
	line  int
}

// content is the node that a document or an alias stands for.
func content(n *yaml.Node) *yaml.Node {
	for n != nil {
		switch {
		case n.Kind == yaml.DocumentNode && len(n.Content) > 0:
			n = n.Content[0]
		case n.Kind == yaml.AliasNode:
			n = n.Alias
		default:
			return n
		}
	}
	return nil
}

// child is the value at a key of an object or an index of a list; its value is nil if there is none.
// Of a key that is there twice it is the last, as the parsers do.
func child(n *yaml.Node, key string) entry {
	n = content(n)
	if n == nil {
		return entry{}
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := len(n.Content) - 2; i >= 0; i -= 2 {
			if n.Content[i].Value == key {
				return entry{content(n.Content[i+1]), n.Content[i].Line}
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return entry{content(n.Content[i]), n.Content[i].Line}
		}
	}
	return entry{}
}
