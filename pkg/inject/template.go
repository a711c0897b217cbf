package inject

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/manifest"
)

// Template finds what Create would find wrong with the Pods made from a Pod template, and what it
// would warn of. The template, which needs no metadata, is at root in its object. The error says
// that template is no Pod template.
func Template(template []byte, root *field.Path, opts Options) (warnings []string, errs field.ErrorList, err error) {
	live, err := manifest.DecodeTemplate(template)
	if err != nil {
		return nil, nil, err
	}
	result, err := create(live, template, root, opts)
	return result.Warnings, result.Errors, err
}
