package inject

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
)

// original is the Pod as its user wrote it: the live one without what was injected by the plan.
// With no plan it is the live one. The live Pod is not changed.
func original(live *manifest.Pod, p *plan.Plan) (*manifest.Pod, error) {
	user := *live
	if p == nil {
		return &user, nil
	}
	user.Spec.RestartPolicy = corev1.RestartPolicy(p.RestartPolicy.Own)
	if len(p.Wrapped()) > 0 {
		scripts := live.Metadata.Annotations[api.InitScriptsAnnotation] != "" && p.RestartAll != nil
		user.Spec.Volumes = slices.DeleteFunc(slices.Clone(live.Spec.Volumes), func(v manifest.Volume) bool {
			return v.Name == api.VolumeName || v.Name == api.ReportVolumeName || v.Name == api.ControlVolumeName || scripts && v.Name == api.ScriptsVolumeName
		})
	}
	var err error
	if user.Spec.Containers, err = originals(live.Spec.Containers, p); err != nil {
		return nil, err
	}
	user.Spec.InitContainers, err = originals(live.Spec.InitContainers, p)
	return &user, err
}

func originals(live []manifest.Container, p *plan.Plan) ([]manifest.Container, error) {
	var list []manifest.Container
	for _, c := range live {
		if c.Name == api.WatcherContainer && len(p.Wrapped()) > 0 || isTwin(p, c.Name) {
			continue
		}
		entry := p.Container(c.Name)
		if entry != nil && (entry.Declared != nil || entry.Carried != nil) {
			declared, carried, err := recorded(entry)
			if err != nil {
				return nil, err
			}
			if c.Rules.Equal(carried) && !(declared.Rules.IsZero() && c.IsSidecar()) {
				c.Rules = declared.Rules
			}
			if c.LivenessProbe == nil {
				c.LivenessProbe = declared.LivenessProbe
			}
			if isOurs(c.StartupProbe) {
				c.StartupProbe = declared.StartupProbe
			}
		}
		if entry != nil && entry.Wrapped {
			c = unwrapped(c)
		}
		if entry != nil && entry.EntryPoint != nil {
			c = withoutEntryPoint(c, entry)
		}
		list = append(list, c)
	}
	return list, nil
}

// unwrapped is the container without shim, guarded hook and mounts of ours.
func unwrapped(c manifest.Container) manifest.Container {
	c.Command = stripShim(c.Command)
	if hook := c.PreStopExec(); hook != nil {
		handler := *c.Lifecycle.PreStop
		exec := *handler.Exec
		exec.Command = stripShim(hook)
		handler.Exec = &exec
		c.Lifecycle = &manifest.Lifecycle{PreStop: &handler, PostStart: c.Lifecycle.PostStart}
	}
	c.VolumeMounts = slices.DeleteFunc(slices.Clone(c.VolumeMounts), func(m manifest.VolumeMount) bool { return m.Name == api.VolumeName })
	return c
}

// stripShim is the command behind the shim and its flags.
func stripShim(command []string) []string {
	if len(command) == 0 || command[0] != api.ShimPath {
		return command
	}
	if i := slices.Index(command, "--"); i >= 0 {
		return command[i+1:]
	}
	return command
}

// recorded is what the plan took out of a container, and the native fields that it put in.
func recorded(c *plan.Container) (taken declared, carried manifest.Rules, err error) {
	for _, field := range []struct {
		text json.RawMessage
		to   any
		what string
	}{{c.Declared, &taken, "declared"}, {c.Carried, &carried, "carries"}} {
		if field.text == nil {
			continue
		}
		if err := json.Unmarshal(field.text, field.to); err != nil {
			return taken, carried, fmt.Errorf("annotation %s: what container %q %s: %w", api.PlanAnnotation, c.Name, field.what, err)
		}
	}
	if c.Carried == nil && c.Kind == plan.KindInitContainer && taken.IsSidecar() {
		carried.RestartPolicy = taken.RestartPolicy // a sidecar keeps it
	}
	return taken, carried, nil
}
