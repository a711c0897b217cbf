package workload

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/inject"
)

// Template is a Pod template in an object.
type Template struct {
	// Path is where it is, as the API server writes it.
	Path *field.Path
	// Pointer is the same as a JSON pointer (RFC 6901).
	Pointer string
	// JSON is the template, byte for byte.
	JSON json.RawMessage

	// id is the path with the names of list items in place of their indexes: the same template in
	// another version of the object has the same.
	id string
	// steps are the fields on the way, parent is what holds the template.
	steps  []step
	parent map[string]json.RawMessage
}

// step is one step on the way to a template: into a field, or into an item of a list.
type step struct {
	field string
	item  json.RawMessage
}

// Templates are the Pod templates of an object, in the order of the kind's paths. Those that the
// object doesn't have, or has as null, are left out. The error says that something on the way is not
// what the path says.
func Templates(object []byte, k Kind) ([]Template, error) {
	var list []Template
	for _, path := range k.Templates {
		found, err := walk(Template{JSON: object}, strings.Split(path, "."))
		if err != nil {
			return nil, fmt.Errorf("find the Pod templates of %s at %s: %w", k.Resource, path, err)
		}
		list = append(list, found...)
	}
	return list, nil
}

// walk follows a path down from what at holds.
func walk(at Template, path []string) ([]Template, error) {
	if len(at.JSON) == 0 || string(at.JSON) == "null" {
		return nil, nil
	}
	if len(path) == 0 {
		return []Template{at}, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(at.JSON, &fields); err != nil {
		return nil, fmt.Errorf("%s: expected an object: %w", at.where(), err)
	}
	name, isList := strings.CutSuffix(path[0], "[*]")
	switch {
	case name == "*":
		var list []Template
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			found, err := walk(at.into(at.Path.Key(key), key, fields[key], fields), path[1:])
			if err != nil {
				return nil, err
			}
			list = append(list, found...)
		}
		return list, nil
	case !isList:
		return walk(at.into(at.Path.Child(name), name, fields[name], fields), path[1:])
	}
	var items []json.RawMessage
	if value := fields[name]; len(value) > 0 {
		if err := json.Unmarshal(value, &items); err != nil {
			return nil, fmt.Errorf("%s: expected a list: %w", at.where(), err)
		}
	}
	var list []Template
	for i, item := range items {
		next := at.into(at.Path.Child(name), name, item, fields)
		found, err := walk(next.intoItem(i, item), path[1:])
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

func (t Template) where() string {
	if t.Path == nil {
		return "the object"
	}
	return t.Path.String()
}

// into is the field of that name.
func (t Template) into(path *field.Path, name string, value json.RawMessage, parent map[string]json.RawMessage) Template {
	return Template{
		Path: path, Pointer: t.Pointer + inject.Pointer(name), JSON: value, id: t.id + inject.Pointer(name),
		steps: append(t.steps[:len(t.steps):len(t.steps)], step{field: name}), parent: parent,
	}
}

// intoItem is the item of the list that t is.
func (t Template) intoItem(index int, item json.RawMessage) Template {
	id := strconv.Itoa(index)
	if name := nameOf(item); name != "" {
		id = inject.Pointer(name)
	}
	t.Path, t.Pointer, t.id = t.Path.Index(index), t.Pointer+"/"+strconv.Itoa(index), t.id+"["+id+"]"
	t.steps = append(t.steps, step{item: item})
	return t
}

// nameOf is the name of a list's item, or "".
func nameOf(item json.RawMessage) string {
	var named struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(item, &named) // an item without a name is told from others by its index
	return named.Name
}
