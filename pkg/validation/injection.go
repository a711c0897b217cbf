package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// Injection validates what the injection needs of a Pod of which some containers are wrapped: the
// command of each of these, and the names and paths that we use. The Pod is as its user wrote it,
// without anything of ours; wrapped says it of a container by name.
func Injection(pod *manifest.Pod, wrapped func(name string) bool, root *field.Path) (errs field.ErrorList) {
	spec := root.Child("spec")
	for i, v := range pod.Spec.Volumes {
		if v.Name == api.VolumeName {
			errs = append(errs, field.Forbidden(spec.Child("volumes").Index(i).Child("name"),
				fmt.Sprintf("Restart Rules adds a volume named %q to this Pod: give yours another name", api.VolumeName)))
		}
	}
	list := func(containers []manifest.Container, path *field.Path) {
		for i := range containers {
			c, path := &containers[i], path.Index(i)
			if c.Name == api.WatcherContainer {
				errs = append(errs, field.Forbidden(path.Child("name"),
					fmt.Sprintf("Restart Rules adds a container named %q to this Pod: give yours another name", api.WatcherContainer)))
			}
			if wrapped(c.Name) {
				errs = append(errs, wrapping(c, path)...)
			}
		}
	}
	list(pod.Spec.Containers, spec.Child("containers"))
	list(pod.Spec.InitContainers, spec.Child("initContainers"))
	return errs
}

// wrapping validates one container that is to be wrapped.
func wrapping(c *manifest.Container, path *field.Path) (errs field.ErrorList) {
	if len(c.Command) == 0 {
		errs = append(errs, field.Required(path.Child("command"), fmt.Sprintf("container %q (image %s) gets a shim in front of its command to apply its restart rules, "+
			`and the command in its image isn't known: write the image's entry point here, for example command: ["python", "train.py"]`, c.Name, c.Image)))
	}
	if len(c.Command) > 0 && c.Command[0] == api.ShimPath {
		errs = append(errs, field.Invalid(path.Child("command").Index(0), c.Command[0],
			fmt.Sprintf("container %q begins with the shim, which Restart Rules adds itself: write the container's own command", c.Name)))
	}
	for i, m := range c.VolumeMounts {
		if m.InOurs() {
			errs = append(errs, field.Invalid(path.Child("volumeMounts").Index(i).Child("mountPath"), m.MountPath,
				fmt.Sprintf("Restart Rules mounts %s into container %q: mount volume %q elsewhere", api.MountPath, c.Name, m.Name)))
		}
	}
	return errs
}
