package main

import (
	"encoding/json"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/rules"
	"restartrules.dev/pkg/validation"
	"restartrules.dev/pkg/workload"
)

// conversion is one Pod or Pod template on its way from one form to the other.
type conversion struct {
	// pod is as it is; whole has in its containers what was lifted out of them, too.
	pod, whole *manifest.Pod
	doc        *manifest.Document
	// raw is what is there, whether we know it or not.
	raw  rawPod
	path *field.Path
	ops  []inject.Op
	errs field.ErrorList
}

type rawPod struct {
	Metadata map[string]json.RawMessage `json:"metadata"`
	Spec     struct {
		Containers     []map[string]json.RawMessage `json:"containers"`
		InitContainers []map[string]json.RawMessage `json:"initContainers"`
	} `json:"spec"`
}

// newConversion reads a Pod or template. Rules that are wrong are not converted.
func newConversion(t *workload.Template) (*conversion, field.ErrorList, error) {
	pod, err := manifest.DecodeTemplate(t.JSON)
	if err != nil {
		return nil, nil, err
	}
	c := &conversion{pod: pod, path: t.Path}
	if err := json.Unmarshal(t.JSON, &c.raw); err != nil {
		return nil, nil, err
	}
	doc, _, errs := validation.Pod(pod, t.Path, validation.Options{})
	if c.doc = doc; doc == nil {
		c.doc = new(manifest.Document)
	}
	c.whole, _ = pod.WithLifted() // validation has reported what is wrong with it
	return c, errs, nil
}

// place is one container: where it is, and what is said about it.
type place struct {
	list  string
	index int
	live  *manifest.Container
	// declared are its native fields, or those that were lifted out of it.
	declared manifest.Rules
	raw      map[string]json.RawMessage
	// entry is that of the document, or nil.
	entry *manifest.DocumentContainer
}

func (p *place) isSidecar() bool { return p.list == "initContainers" && p.live.IsSidecar() }

func (c *conversion) places() (list []place) {
	for i := range c.pod.Spec.Containers {
		live := &c.pod.Spec.Containers[i]
		list = append(list, place{"containers", i, live, c.whole.Spec.Containers[i].Rules, c.raw.Spec.Containers[i], c.doc.Container(live.Name)})
	}
	for i := range c.pod.Spec.InitContainers {
		live := &c.pod.Spec.InitContainers[i]
		list = append(list, place{"initContainers", i, live, c.whole.Spec.InitContainers[i].Rules, c.raw.Spec.InitContainers[i], c.doc.InitContainer(live.Name)})
	}
	return list
}

// toAnnotation takes native fields out and writes them into the annotation's document.
func (c *conversion) toAnnotation() error {
	text, err := newDocumentText(c.pod.Metadata.Annotations[api.RulesAnnotation])
	if err != nil {
		return err
	}
	moved := false
	for _, p := range c.places() {
		if p.declared.IsZero() || p.isSidecar() && len(p.declared.RestartPolicyRules) == 0 {
			continue
		}
		moved = true
		for _, key := range []string{"restartPolicy", "restartPolicyRules"} {
			if _, ok := p.raw[key]; ok && !(p.isSidecar() && key == "restartPolicy") {
				c.remove("spec", p.list, strconv.Itoa(p.index), key)
			}
		}
		if p.entry == nil || p.entry.Rules.IsZero() {
			text.set(p.list, p.live.Name, p.declared)
		}
	}
	if !moved {
		return nil
	}
	value, err := text.encode()
	if err != nil {
		return err
	}
	switch {
	case c.raw.Metadata == nil:
		c.add(map[string]any{"annotations": map[string]string{api.RulesAnnotation: value}}, "metadata")
	case c.pod.Metadata.Annotations == nil:
		c.add(map[string]string{api.RulesAnnotation: value}, "metadata", "annotations")
	default:
		c.add(value, "metadata", "annotations", api.RulesAnnotation)
	}
	if _, ok := c.pod.Metadata.Annotations[api.LiftedRulesAnnotation]; ok {
		c.remove("metadata", "annotations", api.LiftedRulesAnnotation)
	}
	return nil
}

// toNative writes the document's rules into native fields and takes the annotation away.
func (c *conversion) toNative() {
	for _, p := range c.places() {
		want := p.declared
		if p.entry != nil {
			c.beyondNative(c.path.Child("metadata").Child("annotations").Key(api.RulesAnnotation).Child(p.list).Key(p.entry.Name), p.entry)
			if !p.entry.Rules.IsZero() {
				want = p.entry.Rules
			}
		}
		if want.RestartPolicy != nil && !equality.Semantic.DeepEqual(want.RestartPolicy, p.live.RestartPolicy) {
			c.add(want.RestartPolicy, "spec", p.list, strconv.Itoa(p.index), "restartPolicy")
		}
		if len(want.RestartPolicyRules) > 0 && !equality.Semantic.DeepEqual(want.RestartPolicyRules, p.live.RestartPolicyRules) {
			c.add(want.RestartPolicyRules, "spec", p.list, strconv.Itoa(p.index), "restartPolicyRules")
		}
	}
	c.prune(api.RulesAnnotation, api.LiftedRulesAnnotation)
}

// prune removes annotations, and what is empty without them.
func (c *conversion) prune(names ...string) {
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := c.pod.Metadata.Annotations[name]; return !ok })
	switch {
	case len(names) < len(c.pod.Metadata.Annotations):
		for _, name := range names {
			c.remove("metadata", "annotations", name)
		}
	case len(names) == 0:
	case len(c.raw.Metadata) > 1:
		c.remove("metadata", "annotations")
	default:
		c.remove("metadata")
	}
}

// beyondNative finds what native fields can't say.
func (c *conversion) beyondNative(path *field.Path, entry *manifest.DocumentContainer) {
	refuse := func(path *field.Path, what string) {
		c.errs = append(c.errs, field.Forbidden(path, "native fields have no "+what+": leave it out, or keep the annotation"))
	}
	for i, rule := range entry.RestartPolicyRules {
		path := path.Child("restartPolicyRules").Index(i)
		if rule.Action == rules.ActionTerminate {
			refuse(path.Child("action"), "action "+string(rules.ActionTerminate))
		}
		if i < len(entry.Limits) && entry.Limits[i].MaxRestarts > 0 {
			refuse(path.Child("maxRestarts"), "maxRestarts")
		}
		if i < len(entry.Limits) && entry.Limits[i].Within > 0 {
			refuse(path.Child("within"), "within")
		}
	}
	if entry.MaxRestarts != nil {
		refuse(path.Child("maxRestarts"), "maxRestarts")
	}
	if entry.Backoff != nil {
		refuse(path.Child("backoff"), "backoff")
	}
}

func (c *conversion) add(value any, keys ...string) {
	c.ops = append(c.ops, inject.Op{Op: "add", Path: inject.Pointer(keys...), Value: value})
}

func (c *conversion) remove(keys ...string) {
	c.ops = append(c.ops, inject.Op{Op: "remove", Path: inject.Pointer(keys...)})
}
