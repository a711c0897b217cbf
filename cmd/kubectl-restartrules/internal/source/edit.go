package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"restartrules.dev/pkg/inject"
)

// Patch applies the operations, whose pointers are those of the document, and returns the document
// as JSON and as YAML. The YAML keeps comments and the order of keys, and is otherwise laid out anew;
// where that is not possible (with merge keys, say) it has neither. Without operations it is the
// document's own text.
func (d *Document) Patch(ops []inject.Op) (asJSON, asYAML []byte, err error) {
	if len(ops) == 0 && !d.isJSON {
		return d.JSON, d.Text, nil
	}
	if asJSON, err = Apply(d.JSON, ops); err != nil {
		return nil, nil, err
	}
	if !d.isJSON && d.node != nil {
		if text, err := d.edited(ops); err == nil && sameAs(text, asJSON) {
			return asJSON, text, nil
		}
	}
	asYAML, err = sigsyaml.JSONToYAML(asJSON)
	return asJSON, asYAML, err
}

// Apply applies the operations to an object as the API server does.
func Apply(object []byte, ops []inject.Op) ([]byte, error) {
	if len(ops) == 0 {
		return object, nil
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return nil, err
	}
	return patch.Apply(object)
}

// sameAs reports whether the YAML says what the JSON says.
func sameAs(text, asJSON []byte) bool {
	converted, err := sigsyaml.YAMLToJSON(text)
	if err != nil {
		return false
	}
	var is, want any
	return unmarshal(converted, &is) == nil && unmarshal(asJSON, &want) == nil && reflect.DeepEqual(is, want)
}

func unmarshal(data []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(to)
}

// edited applies the operations to a copy of the tree of nodes.
func (d *Document) edited(ops []inject.Op) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(d.Text, &root); err != nil {
		return nil, err
	}
	for _, op := range ops {
		if err := edit(&root, op); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if indentsLists(&root) {
		encoder.DefaultSeqIndent()
	} else {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(&root); err != nil {
		return nil, err
	}
	err := encoder.Close()
	return out.Bytes(), err
}

// edit applies one operation. It follows no alias: what an anchor stands for is in several places.
func edit(root *yaml.Node, op inject.Op) error {
	keys := strings.Split(op.Path, "/")[1:]
	n := root.Content[0]
	for i, key := range keys {
		keys[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		if i == len(keys)-1 {
			break
		}
		at := index(n, keys[i])
		if at < 0 {
			return fmt.Errorf("%s: there is nothing at %s", op.Path, key)
		}
		n = n.Content[at]
	}
	last := keys[len(keys)-1]
	at := index(n, last)
	if op.Op == "remove" {
		return remove(n, at, op.Path)
	}
	value, err := nodeOf(op.Value)
	switch {
	case err != nil:
		return err
	case n.Kind == yaml.SequenceNode && op.Op == "add":
		if last == "-" {
			at = len(n.Content)
		}
		if at < 0 {
			return fmt.Errorf("%s: there is no such place in the list", op.Path)
		}
		n.Content = slices.Insert(n.Content, at, value)
	case at >= 0:
		n.Content[at] = value
	case n.Kind == yaml.MappingNode:
		n.Style = 0
		at := len(n.Content)
		if spec := index(n, "spec"); last == "metadata" && spec > 0 {
			at = spec - 1 // where people look for it
		}
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: last}
		n.Content = slices.Insert(n.Content, at, key, value)
	default:
		return fmt.Errorf("%s: there is nothing to add to", op.Path)
	}
	return nil
}

func remove(n *yaml.Node, at int, path string) error {
	if at < 0 {
		return fmt.Errorf("%s: there is nothing to remove", path)
	}
	from := at
	if n.Kind == yaml.MappingNode {
		from-- // the key
	}
	n.Content = slices.Delete(n.Content, from, at+1)
	return nil
}

// index is where in the node's content the value at a key or an index is, or -1.
func index(n *yaml.Node, key string) int {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return i + 1
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return i
		}
	}
	return -1
}

// nodeOf is a value of an operation as a node. JSON is YAML; only its layout is not for people.
func nodeOf(value any) (*yaml.Node, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var plain any
	if err := yaml.Unmarshal(text, &plain); err != nil {
		return nil, err
	}
	n := new(yaml.Node)
	return n, n.Encode(plain)
}

// indentsLists reports whether the first list in an object is indented, as some write and others not.
func indentsLists(n *yaml.Node) bool {
	indented, _ := listLayout(n)
	return indented
}

func listLayout(n *yaml.Node) (indented, found bool) {
	if n.Kind == yaml.AliasNode {
		return false, false
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind == yaml.SequenceNode && c.Style&yaml.FlowStyle == 0 && len(c.Content) > 0 {
			return c.Column > n.Content[i-1].Column, true
		}
		if indented, found := listLayout(c); found {
			return indented, true
		}
	}
	return false, false
}
