package inject

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/rules"
)

// cantSurvive refuses to have an init container linger: the Pod would neither start nor end.
func (inj *injection) cantSurvive(root *field.Path) (errs field.ErrorList) {
	for i := range inj.parts {
		if c := &inj.parts[i]; c.rules.Kind == rules.Init && c.compiled.Lingers != "" {
			path := root.Child("metadata").Child("annotations").Key(api.PreferAnnotation)
			errs = append(errs, field.Forbidden(path, fmt.Sprintf("init container %q can fail for good (exit code %s), which ends the Pod; "+
				"under the Pod's own restartPolicy %s nothing can end it: leave out this annotation, or let the init container be retried",
				c.user.Name, c.compiled.Lingers, inj.user.Spec.Policy())))
		}
	}
	return errs
}
