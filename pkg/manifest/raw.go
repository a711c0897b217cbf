package manifest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
)

// Raw is JSON as it was written; nil for null and for what is not there.
type Raw []byte

// UnmarshalJSON keeps a copy.
func (r *Raw) UnmarshalJSON(data []byte) error {
	*r = nil
	if string(data) != "null" {
		*r = bytes.Clone(data)
	}
	return nil
}

// MarshalJSON is the JSON that was read.
func (r Raw) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
	return r, nil
}

// Equal reports whether both are the same JSON, but for layout.
func (r Raw) Equal(other Raw) bool {
	if r == nil || other == nil {
		return r == nil && other == nil
	}
	var a, b any
	return json.Unmarshal(r, &a) == nil && json.Unmarshal(other, &b) == nil && reflect.DeepEqual(a, b)
}

// Contains reports whether the JSON has everything that other has; it may have more fields, and more
// items in lists of objects. What is empty or null needn't be there.
func (r Raw) Contains(other Raw) bool {
	if other == nil {
		return true
	}
	var a, b any
	if json.Unmarshal(other, &b) != nil || r != nil && json.Unmarshal(r, &a) != nil {
		return false
	}
	return contains(a, b)
}

func contains(live, want any) bool {
	switch want := want.(type) {
	case nil:
		return true
	case map[string]any:
		object, ok := live.(map[string]any)
		if live != nil && !ok || live == nil && len(want) > 0 {
			return false
		}
		for key, value := range want {
			if !contains(object[key], value) {
				return false
			}
		}
		return true
	case []any:
		return containsList(live, want)
	default:
		return live == want
	}
}

func containsList(live any, want []any) bool {
	list, ok := live.([]any)
	if live != nil && !ok {
		return false
	}
	if len(want) > 0 {
		if _, objects := want[0].(map[string]any); !objects {
			return reflect.DeepEqual(list, want)
		}
	}
	for _, value := range want {
		if !slices.ContainsFunc(list, func(item any) bool { return contains(item, value) }) {
			return false
		}
	}
	return true
}
