package workload

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fate is what a request tells about rules that were lifted before and that it doesn't have.
type fate int

const (
	// unknown: its user may have removed them, or not.
	unknown fate = iota
	// kept: its user still declares them, or has nothing to do with them.
	kept
	// removed: its user has removed them.
	removed
)

// signs are the traces of declarations in a request to update an object.
type signs struct {
	// applied are the Pod templates of last-applied-configuration by their id, before and after;
	// nil if there is none.
	wasApplied, isApplied map[string]*podTemplate
	// managers are the entries of managedFields before and after.
	wasManaged, isManaged []manager
}

// manager is an entry of managedFields.
type manager struct {
	metav1.ManagedFieldsEntry
	// fields is its fieldsV1.
	fields map[string]any
}

// readSigns are the signs of a request to update.
func (r *request) readSigns() *signs {
	if r.signs == nil {
		r.signs = &signs{
			wasApplied: lastApplied(r.old, r.kind), isApplied: lastApplied(r.object, r.kind),
			wasManaged: managers(r.old), isManaged: managers(r.object),
		}
	}
	return r.signs
}

// lastApplied reads the annotation of kubectl apply. What can't be read is no sign.
func lastApplied(o *objectParts, k Kind) map[string]*podTemplate {
	text := o.Metadata.Annotations[corev1.LastAppliedConfigAnnotation]
	templates, err := Templates([]byte(text), k)
	if text == "" || err != nil {
		return nil
	}
	applied := map[string]*podTemplate{}
	for i := range templates {
		if t, err := decodeTemplate(&templates[i]); err == nil {
			applied[templates[i].id] = t
		}
	}
	return applied
}

func managers(o *objectParts) []manager {
	list := make([]manager, len(o.Metadata.ManagedFields))
	for i, entry := range o.Metadata.ManagedFields {
		list[i].ManagedFieldsEntry = entry
		if entry.FieldsV1 != nil {
			_ = json.Unmarshal(entry.FieldsV1.GetRawBytes(), &list[i].fields) // the API server has written it
		}
	}
	return list
}

// fate tells what became of the native fields of a container of the template at t.
//
// What an API server notes in managedFields about native fields that we lift: the manager of a
// server-side apply owns them for as long as it applies them, whether they are stored or not. Other
// managers own them from the request that first had them, for ever, for they never change.
func (s *signs) fate(key containerKey, t *Template, sidecar bool) fate {
	owns := func(m manager) bool { return m.owns(t.steps, key, sidecar) }
	applies := func(m manager) bool { return m.Operation == metav1.ManagedFieldsOperationApply && owns(m) }
	switch was, is := s.wasApplied[t.id], s.isApplied[t.id]; {
	case slices.ContainsFunc(s.isManaged, applies):
		return kept
	case slices.ContainsFunc(s.wasManaged, applies):
		return removed
	case is.declares(key):
		return kept
	case was.declares(key) && s.isApplied != nil:
		return removed
	}
	requesters := s.requesters()
	if len(requesters) > 0 && slices.ContainsFunc(s.wasManaged, owns) && !slices.ContainsFunc(requesters, owns) {
		return kept
	}
	return unknown
}

// requesters are those managers, as they were before, whose entries have another time, in seconds, in
// the request. The request of a manager that changes no field leaves no trace; what others lose by it
// leaves their times alone.
func (s *signs) requesters() (list []manager) {
	for _, is := range s.isManaged {
		i := slices.IndexFunc(s.wasManaged, is.sameAs)
		switch {
		case i < 0:
			list = append(list, manager{})
		case !s.wasManaged[i].Time.Equal(is.Time):
			list = append(list, s.wasManaged[i])
		}
	}
	return list
}

func (m manager) sameAs(other manager) bool {
	return m.Manager == other.Manager && m.Operation == other.Operation && m.Subresource == other.Subresource && m.APIVersion == other.APIVersion
}

// owns reports whether the manager owns native fields of a container. A sidecar's restartPolicy is
// none of them.
func (m manager) owns(steps []step, key containerKey, sidecar bool) bool {
	fields := m.fields
	for _, s := range steps {
		if s.item == nil {
			fields = child(fields, "f:"+s.field)
		} else {
			fields = item(fields, s.item)
		}
	}
	fields = child(child(child(fields, "f:spec"), "f:"+key.list), fmt.Sprintf(`k:{"name":%q}`, key.name))
	_, policy := fields["f:restartPolicy"]
	_, rules := fields["f:restartPolicyRules"]
	return rules || policy && !sidecar
}

func child(fields map[string]any, name string) map[string]any {
	next, _ := fields[name].(map[string]any)
	return next
}

// item is what is owned of an item of a list, which has a key like k:{"name":"workers"}.
func item(fields map[string]any, value json.RawMessage) map[string]any {
	var has map[string]any
	_ = json.Unmarshal(value, &has) // no object has no key
	for name := range fields {
		text, isKey := strings.CutPrefix(name, "k:")
		var key map[string]any
		if !isKey || json.Unmarshal([]byte(text), &key) != nil {
			continue
		}
		match := true
		for k, v := range key {
			match = match && reflect.DeepEqual(has[k], v)
		}
		if match {
			return child(fields, name)
		}
	}
	return nil
}
