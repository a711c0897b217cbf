package workload

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/manifest"
)

// lifting is one template of a request whose native fields are lifted.
type lifting struct {
	*request
	at *Template
	// is the template requested, was the live one, nil if there is none.
	is, was *podTemplate
	// rest is what the annotation says of containers that have no native fields.
	rest string
	// set are the annotations to set; those with an empty value are to be removed.
	set      map[string]string
	warnings []string
}

// lift decides what becomes of the annotation with the lifted rules.
func (l *lifting) lift() error {
	l.rest = l.is.annotation(api.LiftedRulesAnnotation)
	if l.is.unreadable && len(l.is.native) == 0 {
		return nil // package validation says what is wrong with it
	}
	rest := map[containerKey]manifest.DocumentContainer{}
	for _, key := range slices.SortedFunc(maps.Keys(l.is.lifted), containerKey.compare) {
		if l.stays(key) {
			rest[key] = l.is.lifted[key]
		}
	}
	var err error
	if len(rest) < len(l.is.lifted) || l.is.unreadable {
		if l.rest, err = manifest.EncodeLifted(document(rest)); err != nil {
			return fmt.Errorf("%s: %w", l.at.Path, err)
		}
	}
	want := document(rest, l.is.native)
	switch {
	case !l.is.unreadable && want.Equal(document(l.is.lifted)):
		return nil
	case l.was != nil && len(l.was.lifted) > 0 && want.Equal(document(l.was.lifted)):
		l.set[api.LiftedRulesAnnotation] = l.was.annotation(api.LiftedRulesAnnotation)
	default:
		if l.set[api.LiftedRulesAnnotation], err = manifest.EncodeLifted(want); err != nil {
			return fmt.Errorf("%s: %w", l.at.Path, err)
		}
	}
	return nil
}

// stays decides about what was lifted from a container that may have no native fields now.
func (l *lifting) stays(key containerKey) bool {
	if _, native := l.is.native[key]; native {
		return false
	}
	if l.was == nil {
		return true // written by hand, or copied from elsewhere
	}
	entry, c := l.is.lifted[key], l.is.container(key)
	if _, had := l.was.lifted[key]; !had {
		return true
	}
	switch {
	case c == nil:
		return l.was.container(key) == nil // otherwise the container was removed
	case key.list == initContainers && c.IsSidecar() != entry.IsSidecar():
		return false // it became another kind of container
	}
	switch fate := l.readSigns().fate(key, l.at, entry.IsSidecar()); {
	case fate != unknown:
		return fate == kept
	case len(l.is.native) > 0:
		l.warnings = append(l.warnings, fmt.Sprintf(
			"container %q: the restart rules that it had no longer apply, because the request has native fields for other containers and none for this", key.name))
		return false
	default:
		l.warnings = append(l.warnings, l.howToRemove()...)
		return true
	}
}

// howToRemove are the warnings where it can't be known whether a user has removed rules.
func (l *lifting) howToRemove() []string {
	const why = "; the request has none itself, and does not tell whether they were removed"
	what := "restart rules of an earlier request still apply: " + l.at.Path.Child("metadata", "annotations").Key(api.LiftedRulesAnnotation).String()
	if len(what+why) > maxWarning {
		what = "restart rules of an earlier request still apply: annotation " + api.LiftedRulesAnnotation
	}
	resource := strings.TrimSuffix(l.kind.Resource+"."+l.kind.Group, ".")
	pointer := l.at.Pointer + inject.Pointer("metadata", "annotations", api.LiftedRulesAnnotation)
	how := fmt.Sprintf(`to remove them: kubectl patch %s %s --type=json -p='[{"op":"remove","path":"%s"}]'`, resource, l.object.Metadata.Name, pointer)
	if len(how) > maxWarning || strings.ContainsAny(pointer, `'"\`) { // a key of a map may have any character
		how = "to remove them: delete that annotation, for example with kubectl edit " + resource
	}
	return []string{what + why, how}
}

// maxWarning is how many bytes of a warning the API server passes on without complaint.
const maxWarning = 255

func (a containerKey) compare(b containerKey) int {
	return slices.Compare([]string{a.list, a.name}, []string{b.list, b.name})
}

// asWritten is the template with its native fields, and without what the annotation says of
// containers that have some or are gone: with paths that its user wrote.
func (l *lifting) asWritten() (json.RawMessage, error) {
	if l.rest == l.is.annotation(api.LiftedRulesAnnotation) {
		return l.is.text, nil
	}
	text, err := json.Marshal(l.is.withAnnotations(map[string]string{api.LiftedRulesAnnotation: l.rest}))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.at.Path, err)
	}
	return text, nil
}

// ops make the template what it is to be.
func (l *lifting) ops() []inject.Op {
	metadata := l.at.Pointer + "/metadata"
	fields, _ := l.is.fields["metadata"].(map[string]any)
	live, _ := fields["annotations"].(map[string]any)
	add, remove := map[string]string{}, []string(nil)
	for _, name := range slices.Sorted(maps.Keys(l.set)) {
		if _, there := live[name]; l.set[name] != "" {
			add[name] = l.set[name]
		} else if there {
			remove = append(remove, name)
		}
	}
	var ops []inject.Op
	switch {
	case len(add) == 0 && len(remove) > 0 && len(remove) == len(live):
		ops = append(ops, inject.Op{Op: "remove", Path: metadata + "/annotations"})
	case len(add) > 0 && fields == nil:
		ops = append(ops, inject.Op{Op: "add", Path: metadata, Value: map[string]any{"annotations": add}})
	case len(add) > 0 && live == nil:
		ops = append(ops, inject.Op{Op: "add", Path: metadata + "/annotations", Value: add})
	default:
		for _, name := range remove {
			ops = append(ops, inject.Op{Op: "remove", Path: metadata + inject.Pointer("annotations", name)})
		}
		for _, name := range slices.Sorted(maps.Keys(add)) {
			// "add" replaces what is there.
			ops = append(ops, inject.Op{Op: "add", Path: metadata + inject.Pointer("annotations", name), Value: add[name]})
		}
	}
	l.eachNative(func(key containerKey, index int, field string) {
		ops = append(ops, inject.Op{Op: "remove", Path: l.at.Pointer + inject.Pointer("spec", key.list, strconv.Itoa(index), field)})
	})
	return ops
}

// isUnchanged reports whether the operations lead back to the live template.
func (l *lifting) isUnchanged() bool {
	if l.was == nil {
		return false
	}
	fields := l.is.withAnnotations(l.set)
	if spec, ok := fields["spec"].(map[string]any); ok && len(l.is.native) > 0 {
		spec = maps.Clone(spec)
		fields["spec"] = spec
		for _, list := range []string{containers, initContainers} {
			if items, ok := spec[list].([]any); ok {
				spec[list] = slices.Clone(items)
			}
		}
		l.eachNative(func(key containerKey, index int, field string) {
			list := spec[key.list].([]any)
			c := maps.Clone(list[index].(map[string]any))
			delete(c, field)
			list[index] = c
		})
	}
	return reflect.DeepEqual(fields, l.was.withAnnotations(nil))
}

// eachNative calls do for each native field that is lifted.
func (l *lifting) eachNative(do func(key containerKey, index int, field string)) {
	spec, _ := l.is.fields["spec"].(map[string]any)
	for _, list := range []string{containers, initContainers} {
		items, _ := spec[list].([]any)
		for i, item := range items {
			fields, _ := item.(map[string]any)
			name, _ := fields["name"].(string)
			entry, lifted := l.is.native[containerKey{list, name}]
			if !lifted {
				continue
			}
			for _, field := range []string{"restartPolicy", "restartPolicyRules"} {
				if _, there := fields[field]; there && (field != "restartPolicy" || list == containers || !entry.IsSidecar()) {
					do(containerKey{list, name}, i, field)
				}
			}
		}
	}
}
