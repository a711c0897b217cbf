package workload

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
)

// Create answers for an object on CREATE. Each of its Pod templates is validated as Pods are; native
// fields are lifted into the annotation restartrules.dev/lifted-rules, unless the cluster has them
// itself (opts.Native); Job templates with policy OnFailure and rules get the Job's
// backoffLimit as restartrules.dev/max-restarts. The patch is empty if there is nothing of that to
// do, and for ReplicaSets with a controller: that would make new ones for ever.
//
// Templates that opt out by their label are left alone, as are those for Windows. The error says
// that object has no Pod templates where the kind has them.
func Create(object []byte, k Kind, opts inject.Options) (inject.Result, error) {
	return answer(object, nil, k, opts)
}

// Update answers for an object on UPDATE as Create does on CREATE, with these differences.
//
// A template that is not changed is left alone, whatever it has. Native fields that come again with
// every request of the same manifest give the annotation that is there already, byte for byte.
//
// A request without native fields may mean that its user has removed them, or only that it began
// with the live object, which doesn't have them. What was lifted from a container goes
//
//   - if the request doesn't have the annotation any more: nothing is put back;
//   - if the annotation of kubectl apply (last-applied-configuration) changes and the native fields
//     are gone from it;
//   - if a manager of server-side apply owned the native fields and none does any more;
//   - if the container is gone, or the request has native fields for other containers.
//
// It stays, without a word, if last-applied-configuration or a manager of server-side apply still has
// the native fields, and if another manager than the one that once wrote them makes the request. It
// stays, with warnings that say how to delete the annotation, where nothing tells: mostly requests of
// the one who once wrote them, for example Helm.
func Update(object, oldObject []byte, k Kind, opts inject.Options) (inject.Result, error) {
	result, err := answer(object, oldObject, k, opts)
	if err != nil || len(result.Patch) == 0 || !onlyInSpec(k) {
		return result, err
	}
	result.Patch, err = inject.KeepUnchanged(result.Patch, object, oldObject)
	return result, err
}

// onlyInSpec reports whether all Pod templates are in the object's spec.
func onlyInSpec(k Kind) bool {
	return !slices.ContainsFunc(k.Templates, func(path string) bool { return !strings.HasPrefix(path, "spec.") })
}

// request is one object on its way through Create or Update.
type request struct {
	kind Kind
	opts inject.Options
	// object is the one requested, old the live one, nil on CREATE.
	object, old *objectParts
	// signs are read when they are needed, see readSigns.
	signs  *signs
	result inject.Result
}

// objectParts is what matters of an object beside its Pod templates.
type objectParts struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name            string            `json:"name"`
		Namespace       string            `json:"namespace"`
		Annotations     map[string]string `json:"annotations"`
		OwnerReferences []struct {
			Controller bool `json:"controller"`
		} `json:"ownerReferences"`
		ManagedFields []metav1.ManagedFieldsEntry `json:"managedFields"`
	} `json:"metadata"`

	templates []Template
}

func decode(object []byte, k Kind) (*objectParts, error) {
	o := new(objectParts)
	if err := json.Unmarshal(object, o); err != nil {
		return nil, fmt.Errorf("decode %s: %w", k.Resource, err)
	}
	var err error
	o.templates, err = Templates(object, k)
	return o, err
}

// template is the Pod template of that id, or nil.
func (o *objectParts) template(id string) *Template {
	if o == nil {
		return nil
	}
	if i := slices.IndexFunc(o.templates, func(t Template) bool { return t.id == id }); i >= 0 {
		return &o.templates[i]
	}
	return nil
}

// isControlled reports whether the object has a controller.
func (o *objectParts) isControlled() bool {
	for _, owner := range o.Metadata.OwnerReferences {
		if owner.Controller {
			return true
		}
	}
	return false
}

func answer(object, oldObject []byte, k Kind, opts inject.Options) (inject.Result, error) {
	r := &request{kind: k, opts: opts}
	var err error
	if r.object, err = decode(object, k); err != nil {
		return inject.Result{}, err
	}
	if oldObject != nil {
		if r.old, err = decode(oldObject, k); err != nil {
			return inject.Result{}, fmt.Errorf("old object: %w", err)
		}
	}
	for i := range r.object.templates {
		if err := r.answerFor(&r.object.templates[i]); err != nil {
			return inject.Result{}, err
		}
	}
	if len(r.result.Errors) > 0 {
		r.result.Patch = nil
	}
	return r.result, nil
}

// answerFor adds what is to say and to do about one template.
func (r *request) answerFor(t *Template) error {
	is, err := decodeTemplate(t)
	if err != nil {
		return err
	}
	var was *podTemplate
	if old := r.old.template(t.id); old != nil {
		if was, err = decodeTemplate(old); err != nil {
			return fmt.Errorf("old object: %w", err)
		}
	}
	if !r.concerns(is) {
		return nil
	}
	l := &lifting{request: r, at: t, is: is, was: was, rest: is.annotation(api.LiftedRulesAnnotation), set: map[string]string{}}
	var ops []inject.Op
	if r.mayChange(is, was) {
		if err := l.lift(); err != nil {
			return err
		}
		l.limitRestarts()
		ops = l.ops()
	}
	r.result.Patch = append(r.result.Patch, ops...)
	r.warn(l.warnings)
	if ops == nil && was != nil && reflect.DeepEqual(is.fields, was.fields) || ops != nil && l.isUnchanged() {
		return nil // what is there was accepted before
	}
	text, err := l.asWritten()
	if err != nil {
		return err
	}
	warnings, errs, err := inject.Template(text, t.Path, r.opts)
	if err != nil {
		return fmt.Errorf("%s: %w", t.Path, err)
	}
	r.result.Errors = append(r.result.Errors, errs...)
	r.warn(warnings)
	return nil
}

// concerns reports whether the template has opted in.
func (r *request) concerns(is *podTemplate) bool {
	switch is.Metadata.Labels[api.InjectLabel] {
	case api.InjectEnabled:
		return true
	case api.InjectDisabled:
		return false
	default:
		return !r.kind.labelled
	}
}

// mayChange reports whether the template may be changed.
func (r *request) mayChange(is, was *podTemplate) bool {
	switch {
	case !r.lifts(is), is.Spec.IsWindows():
		return false
	case r.kind.is("apps", "replicasets") && r.object.isControlled():
		return false
	case len(is.native) == 0 || was == nil || len(was.native) == 0:
		return true
	}
	// The API server has stored native fields, and keeps them.
	return !reflect.DeepEqual(is.fields, was.fields) && !(r.kind.immutable() && document(is.native).Equal(document(was.native)))
}

// lifts reports whether native fields of the template are lifted. An API server that knows Restart but
// not RestartAllContainers keeps them, unless there is one that it refuses.
func (r *request) lifts(is *podTemplate) bool {
	switch {
	case !r.opts.Native.Restart:
		return true
	case r.opts.Native.RestartAll:
		return false
	default:
		return is.restartsAll() || is.annotation(api.LiftedRulesAnnotation) != ""
	}
}

// warn adds warnings, each once.
func (r *request) warn(warnings []string) {
	for _, w := range warnings {
		if !slices.Contains(r.result.Warnings, w) {
			r.result.Warnings = append(r.result.Warnings, w)
		}
	}
}
