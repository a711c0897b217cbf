package chart

import (
	"fmt"
	"reflect"
)

// patch is what makes after of before, in a form that the chart's template restartrules.merge applies:
//
//   - of a map, the keys that differ; null for one that is gone,
//   - of a list whose items have names, the items that differ, found by name, or are new,
//   - of any other list, what comes behind,
//   - of all else, what is there instead.
//
// So patches of several parts add up, as those of kustomizations do. What can't be said so is an error.
func patch(before, after map[string]any) (map[string]any, error) {
	changes := map[string]any{}
	for key := range before {
		if _, there := after[key]; !there {
			changes[key] = nil
		}
	}
	for key, value := range after {
		old, there := before[key]
		if there && reflect.DeepEqual(old, value) {
			continue
		}
		change, err := patchValue(old, value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		changes[key] = change
	}
	return changes, nil
}

func patchValue(before, after any) (any, error) {
	switch after := after.(type) {
	case map[string]any:
		if before, ok := before.(map[string]any); ok {
			return patch(before, after)
		}
	case []any:
		if before, ok := before.([]any); ok && len(before) > 0 {
			return patchList(before, after)
		}
	}
	return after, nil
}

func patchList(before, after []any) ([]any, error) {
	if name(before[0]) != "" {
		return patchNamed(before, after)
	}
	if len(after) < len(before) || !reflect.DeepEqual(before, after[:len(before)]) {
		return nil, fmt.Errorf("%v does not begin with %v: items stay where they are", after, before)
	}
	return after[len(before):], nil
}

// patchNamed takes no notice of the order of the items.
func patchNamed(before, after []any) ([]any, error) {
	left := map[string]any{}
	for _, item := range before {
		left[name(item)] = item
	}
	var changes []any
	for _, item := range after {
		old, there := left[name(item)]
		delete(left, name(item))
		if !there {
			changes = append(changes, item)
			continue
		}
		change, err := patch(old.(map[string]any), item.(map[string]any))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name(item), err)
		}
		if len(change) > 0 {
			change["name"] = name(item)
			changes = append(changes, change)
		}
	}
	for item := range left {
		return nil, fmt.Errorf("%s is gone: items can't be taken away", item)
	}
	return changes, nil
}

// name is that of an item of a list, if it is an object that has one.
func name(item any) string {
	object, _ := item.(map[string]any)
	text, _ := object["name"].(string)
	return text
}
