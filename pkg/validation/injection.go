package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// Needs is what the injection does to a container of the user.
type Needs struct {
	// Wrapped says that a shim is put in front of its command.
	Wrapped bool
	// Twin is the name of the container that replays it; empty: there is none.
	Twin string
	// Command is what its shim starts, of the manifest or of the image; NoCommand says why that of the image
	// isn't known. Neither is there while it is being looked up.
	Command   []string
	NoCommand string
	// WholePod says that it is for a restart of the whole Pod, which the container can be left out of.
	WholePod bool
}

// Injection validates what the injection needs of a Pod of which some containers are wrapped: the
// command of each of these, and the names and paths that we use. The Pod is as its user wrote it,
// without anything of ours; needs says it of a container by name.
func Injection(pod *manifest.Pod, needs func(name string) Needs, root *field.Path) (errs field.ErrorList) {
	for i, v := range pod.Spec.Volumes {
		if v.Name == api.VolumeName || v.Name == api.ControlVolumeName || v.Name == api.ScriptsVolumeName && pod.Metadata.Annotations[api.InitScriptsAnnotation] != "" {
			errs = append(errs, field.Forbidden(root.Child("spec", "volumes").Index(i).Child("name"),
				fmt.Sprintf("Restart Rules adds a volume named %q to this Pod: give yours another name", v.Name)))
		}
	}
	ours := map[string]bool{api.WatcherContainer: true}
	for i := range pod.Spec.InitContainers {
		if twin := needs(pod.Spec.InitContainers[i].Name).Twin; twin != "" {
			ours[twin] = true
		}
	}
	list := func(containers []manifest.Container, init bool, name string) {
		for i := range containers {
			c := &containers[i]
			path := func() *field.Path { return root.Child("spec", name).Index(i) } // only made for errors
			if ours[c.Name] {
				errs = append(errs, field.Forbidden(path().Child("name"),
					fmt.Sprintf("Restart Rules adds a container named %q to this Pod: give yours another name", c.Name)))
			}
			n := needs(c.Name)
			if n.Wrapped || n.Twin != "" {
				errs = append(errs, wrapping(c, n, path)...)
			}
			if n.Twin != "" {
				errs = append(errs, twin(c, path)...)
			}
			// An init container is over when it has done its work: what is called init there is no init system.
			if n.Wrapped && (!init || c.IsSidecar()) {
				errs = append(errs, ProcessOne(c.Name, n.Command, func() *field.Path { return path().Child("command").Index(0) })...)
			}
		}
	}
	list(pod.Spec.Containers, false, "containers")
	list(pod.Spec.InitContainers, true, "initContainers")
	return errs
}

// wrapping validates one container whose command a shim starts.
func wrapping(c *manifest.Container, n Needs, path func() *field.Path) (errs field.ErrorList) {
	if n.NoCommand != "" {
		detail := fmt.Sprintf("container %q (image %s) gets a shim in front of its command to apply its restart rules, "+
			"and the command in its image isn't known: %s; write the image's entry point here, for example command: [\"python\", \"train.py\"], or in the annotation %s%s: '[\"python\", \"train.py\"]'",
			c.Name, c.Image, n.NoCommand, api.EntryPointPrefix, c.Name)
		if n.WholePod {
			detail += fmt.Sprintf("; or leave the container out of restarts of the whole Pod, with the annotation %s: %s", api.ExcludeContainersAnnotation, c.Name)
		}
		errs = append(errs, field.Required(path().Child("command"), detail))
	}
	if len(c.Command) > 0 && c.Command[0] == api.ShimPath {
		errs = append(errs, field.Invalid(path().Child("command").Index(0), c.Command[0],
			fmt.Sprintf("container %q begins with the shim, which Restart Rules adds itself: write the container's own command", c.Name)))
	}
	for i, m := range c.VolumeMounts {
		if m.InOurs() {
			errs = append(errs, field.Invalid(path().Child("volumeMounts").Index(i).Child("mountPath"), m.MountPath,
				fmt.Sprintf("Restart Rules mounts %s into container %q: mount volume %q elsewhere", api.MountPath, c.Name, m.Name)))
		}
	}
	return errs
}

// twin validates an init container that a twin replays.
func twin(c *manifest.Container, path func() *field.Path) field.ErrorList {
	name := device(&c.Resources)
	if name == "" {
		return nil
	}
	return field.ErrorList{field.Forbidden(path().Child("resources"), fmt.Sprintf("init container %q requests %s, and so can't run again in a container beside it, which would have to request that a second time: "+
		"leave the request out, or use one of the annotations %s: %s (the Pod gets a new sandbox, and the kubelet runs the init containers), %s (the watcher runs scripts instead) and %s: %s (it doesn't run again)",
		c.Name, name, api.StrategyAnnotation, api.StrategySandbox, api.InitScriptsAnnotation, api.ExcludeContainersAnnotation, c.Name))}
}
