// Package workload answers for the kinds that carry Pod templates: it validates the templates and
// lifts their native fields into an annotation, for API servers that would drop or refuse them. It is
// pure: no clock, no network, the same request gives the same answer.
package workload

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind is a kind of object that carries Pod templates.
type Kind struct {
	// Group is empty for the core group. Resource is the plural, as in URLs.
	Group, Version, Resource string
	// Templates are the paths of the Pod templates: names of fields separated by dots. A name
	// followed by [*] is a list, of which each item is meant, and * is each value of a map:
	// "spec.template", "spec.replicatedJobs[*].template.spec.template", "spec.replicas.*.template".
	Templates []string

	// labelled leaves only templates that opt in themselves.
	labelled bool
}

// String is the kind as ParseKind reads it.
func (k Kind) String() string {
	return k.Group + "/" + k.Version + "/" + k.Resource + "=" + strings.Join(k.Templates, ",")
}

// Labelled is the kind with only those Pod templates whose own label opts in: what counts in
// namespaces that don't.
func (k Kind) Labelled() Kind {
	k.labelled = true
	return k
}

// builtIn are the kinds that need no configuration, by the name of the kind.
var builtIn = []struct {
	kind string
	Kind
}{
	{"Deployment", Kind{Group: "apps", Version: "v1", Resource: "deployments", Templates: []string{"spec.template"}}},
	{"StatefulSet", Kind{Group: "apps", Version: "v1", Resource: "statefulsets", Templates: []string{"spec.template"}}},
	{"DaemonSet", Kind{Group: "apps", Version: "v1", Resource: "daemonsets", Templates: []string{"spec.template"}}},
	{"ReplicaSet", Kind{Group: "apps", Version: "v1", Resource: "replicasets", Templates: []string{"spec.template"}}},
	{"ReplicationController", Kind{Version: "v1", Resource: "replicationcontrollers", Templates: []string{"spec.template"}}},
	{"Job", Kind{Group: "batch", Version: "v1", Resource: "jobs", Templates: []string{"spec.template"}}},
	{"CronJob", Kind{Group: "batch", Version: "v1", Resource: "cronjobs", Templates: []string{"spec.jobTemplate.spec.template"}}},
	{"PodTemplate", Kind{Version: "v1", Resource: "podtemplates", Templates: []string{"template"}}},
	{"JobSet", Kind{Group: "jobset.x-k8s.io", Version: "v1alpha2", Resource: "jobsets",
		Templates: []string{"spec.replicatedJobs[*].template.spec.template"}}},
	{"LeaderWorkerSet", Kind{Group: "leaderworkerset.x-k8s.io", Version: "v1", Resource: "leaderworkersets",
		Templates: []string{"spec.leaderWorkerTemplate.leaderTemplate", "spec.leaderWorkerTemplate.workerTemplate"}}},
}

// BuiltIn are the kinds that need no configuration.
func BuiltIn() []Kind {
	kinds := make([]Kind, 0, len(builtIn))
	for _, b := range builtIn {
		kinds = append(kinds, b.copy())
	}
	return kinds
}

// KindOf finds a built-in kind by what an object says of itself.
func KindOf(apiVersion, kind string) (Kind, bool) {
	for _, b := range builtIn {
		if b.kind == kind && strings.TrimPrefix(b.Group+"/"+b.Version, "/") == apiVersion {
			return b.copy(), true
		}
	}
	return Kind{}, false
}

func (k Kind) copy() Kind {
	k.Templates = slices.Clone(k.Templates)
	return k
}

// maxTemplates bounds what a configured kind may have, and maxSteps how deep a template may lie.
const (
	maxTemplates = 16
	maxSteps     = 16
)

var (
	validGroup    = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`)
	validVersion  = regexp.MustCompile(`^v[0-9]+([a-z]+[0-9]+)?$`)
	validResource = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	validStep     = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_-]*(\[\*\])?|\*)$`)
)

// ParseKind reads a kind from "group/version/resource=path[,path]". The group of the core kinds is
// empty.
func ParseKind(text string) (Kind, error) {
	const form = "group/version/resource=path[,path], for example batch.example.com/v1/trainings=spec.workers[*].template"
	resource, paths, ok := strings.Cut(text, "=")
	gvr := strings.Split(resource, "/")
	if !ok || len(gvr) != 3 {
		return Kind{}, fmt.Errorf("%q is no workload kind, expected %s", text, form)
	}
	k := Kind{Group: gvr[0], Version: gvr[1], Resource: gvr[2], Templates: strings.Split(paths, ",")}
	for _, part := range []struct {
		what, value string
		valid       *regexp.Regexp
	}{{"API group", k.Group, validGroup}, {"version", k.Version, validVersion}, {"resource (the plural, in lower case)", k.Resource, validResource}} {
		if !part.valid.MatchString(part.value) {
			return Kind{}, fmt.Errorf("workload kind %q: %q is no %s, expected %s", text, part.value, part.what, form)
		}
	}
	if len(k.Templates) > maxTemplates {
		return Kind{}, fmt.Errorf("workload kind %q: has %d Pod templates, at most %d are supported", text, len(k.Templates), maxTemplates)
	}
	for _, path := range k.Templates {
		steps := strings.Split(path, ".")
		if len(steps) > maxSteps {
			return Kind{}, fmt.Errorf("workload kind %q: path %q has %d fields, at most %d are supported", text, path, len(steps), maxSteps)
		}
		for _, step := range steps {
			if !validStep.MatchString(step) {
				return Kind{}, fmt.Errorf("workload kind %q: %q in path %q is no field, field[*] or *, expected %s", text, step, path, form)
			}
		}
	}
	return k, nil
}

func (k Kind) is(group, resource string) bool { return k.Group == group && k.Resource == resource }

// immutable reports whether the Pod templates of existing objects can't be changed.
func (k Kind) immutable() bool { return k.is("batch", "jobs") || k.is("jobset.x-k8s.io", "jobsets") }

// makesJobs reports whether the Pod templates are those of Jobs.
func (k Kind) makesJobs() bool { return k.immutable() || k.is("batch", "cronjobs") }
