package inject

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// cantResize refuses what the API server would refuse after us without a word of why: under the Pod's
// restartPolicy Never no container is restarted to resize it (upstream:
// pkg/apis/core/validation/validation.go, validateResizePolicy).
func (inj *injection) cantResize(root *field.Path) (errs field.ErrorList) {
	own := inj.user.Spec.Policy()
	if inj.compiled.Policy != corev1.RestartPolicyNever || own == corev1.RestartPolicyNever {
		return nil
	}
	instead := ""
	if !inj.compiled.WholePod {
		instead = fmt.Sprintf(", or keep the Pod's own restartPolicy with the annotation %s: %s", api.PreferAnnotation, api.PreferSurvive)
	}
	restarts := func(p corev1.ContainerResizePolicy) bool { return p.RestartPolicy == corev1.RestartContainer }
	list := func(containers []manifest.Container, path *field.Path) {
		for i := range containers {
			c := &containers[i]
			at := slices.IndexFunc(c.ResizePolicy, restarts)
			if at < 0 {
				continue
			}
			errs = append(errs, field.Forbidden(path.Index(i).Child("resizePolicy").Index(at).Child("restartPolicy"), fmt.Sprintf(
				"container %q is to be restarted when its %s is resized; the API server does not allow that under the Pod's restartPolicy Never, which replaces %s: %s; write NotRequired here%s",
				c.Name, c.ResizePolicy[at].ResourceName, own, inj.compiled.Why, instead)))
		}
	}
	list(inj.user.Spec.Containers, root.Child("spec", "containers"))
	list(inj.user.Spec.InitContainers, root.Child("spec", "initContainers"))
	return errs
}
