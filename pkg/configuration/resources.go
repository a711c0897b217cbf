package configuration

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// minMemory is the least that the watcher may be limited to.
var minMemory = resource.MustParse("16Mi")

// resourceNames are sorted.
var resourceNames = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceEphemeralStorage, corev1.ResourceMemory}

func (r *Resources) validate(path *field.Path) (errs field.ErrorList) {
	for _, list := range []struct {
		field string
		of    ResourceList
	}{{"limits", r.Limits}, {"requests", r.Requests}} {
		for _, name := range slices.Sorted(maps.Keys(list.of)) {
			at, quantity := path.Child(list.field).Key(string(name)), list.of[name]
			switch {
			case !slices.Contains(resourceNames, name):
				errs = append(errs, field.NotSupported(at, name, resourceNames))
			case quantity.invalid != "":
				errs = append(errs, field.Invalid(at, quantity.invalid, "must be a quantity like 10m or 16Mi"))
			case quantity.Sign() <= 0:
				errs = append(errs, field.Invalid(at, quantity.String(), "must be above zero; leave it out to have none"))
			}
		}
	}
	if len(errs) > 0 {
		return errs
	}
	if memory, ok := r.Limits[corev1.ResourceMemory]; ok && memory.Cmp(minMemory) < 0 {
		errs = append(errs, field.Invalid(path.Child("limits").Key("memory"), memory.String(), "must be at least "+minMemory.String()+", which the watcher may need"))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Requests)) {
		request := r.Requests[name]
		if limit, ok := r.Limits[name]; ok && request.Cmp(limit.Quantity) > 0 {
			errs = append(errs, field.Invalid(path.Child("requests").Key(string(name)), request.String(), "must not be above the limit, "+limit.String()))
		}
	}
	return errs
}
