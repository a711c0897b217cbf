package inject

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// appArmor is what the annotations with the containers' AppArmor profiles begin with, in API servers
// before 1.30 the only place for them.
const appArmor = corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix

// patch makes the live Pod what it is to be. text is the plan's.
func (inj *injection) patch(text string) ([]Op, error) {
	p := patch{ops: make([]Op, 0, 8+4*len(inj.parts))}
	inj.metadata(&p, text)
	if live, want := inj.live.Spec.RestartPolicy, inj.compiled.Policy; live == "" && inj.live.Spec.Policy() != want {
		p.add("/spec/restartPolicy", want)
	} else if live != "" && live != want {
		p.replace("/spec/restartPolicy", want)
	}
	if inj.wrapped() && inj.shared() {
		p.add("/spec/shareProcessNamespace", true)
	}
	for i := range inj.parts {
		inj.container(&p, &inj.parts[i])
	}
	if err := inj.ourContainers(&p); err != nil {
		return nil, err
	}
	inj.volumes(&p)
	inj.addPullSecrets(&p)
	return p.ops, nil
}

func (inj *injection) metadata(p *patch, text string) {
	annotations := map[string]string{api.PlanAnnotation: text}
	if inj.wrapped() {
		labels := map[string]string{api.ModeLabel: api.ModeEmulated}
		addMissing(labels, inj.opts.Labels, inj.live.Metadata.Labels)
		p.set("/metadata/labels", inj.live.Metadata.Labels, labels)
		addMissing(annotations, inj.opts.Annotations, inj.live.Metadata.Annotations)
		annotations[api.SafeToEvictAnnotation] = withVolume(inj.live.Metadata.Annotations[api.SafeToEvictAnnotation])
	}
	for i := range inj.twins {
		t := &inj.twins[i]
		if profile, ok := inj.live.Metadata.Annotations[appArmor+t.of.user.Name]; ok {
			annotations[appArmor+t.name] = profile
		}
	}
	p.dropAnnotation(inj.live, api.StatusAnnotation)
	p.set("/metadata/annotations", inj.live.Metadata.Annotations, annotations)
	if inj.live.Metadata.Labels[api.ModeLabel] == api.ModeEmulated && !inj.wrapped() {
		p.remove("/metadata/labels/" + escape(api.ModeLabel))
	}
}

// withVolume is the cluster autoscaler's comma-separated list of volumes with ours in it.
func withVolume(list string) string {
	if list == "" {
		return api.VolumeName
	}
	for name := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(name) == api.VolumeName {
			return list
		}
	}
	return list + "," + api.VolumeName
}

// container makes one container what it is to be.
func (inj *injection) container(p *patch, c *part) {
	path := p.path("/spec/", c.planKind, "s/", strconv.Itoa(c.index))
	command, hook := c.user.Command, c.user.PreStopExec()
	var mounts []manifest.VolumeMount
	if c.compiled.Wrapped {
		command = append(inj.shim(c), c.command()...)
		if len(hook) > 0 {
			hook = append([]string{api.ShimPath, "hook", "--"}, hook...)
		}
		mounts = mountsOf(c.user.Name)
	}
	if image := c.image(); c.live.Image != image {
		p.replace(p.path(path, "/image"), image)
	}
	p.command(path, "/command", c.live.Command, command)
	p.command(path, "/lifecycle/preStop/exec/command", c.live.PreStopExec(), hook)
	setMounts(p, path, c.live.VolumeMounts, c.user.VolumeMounts, mounts)
	setNative(p, path, c.live.Rules, c.carried())
	c.setProbes(p, path)
}

// setNative makes the native fields of a container what they are to be.
func setNative(p *patch, path string, live, want manifest.Rules) {
	setField(p, path, "/restartPolicy", live.RestartPolicy != nil, want.RestartPolicy != nil,
		live.RestartPolicy != nil && want.RestartPolicy != nil && *live.RestartPolicy == *want.RestartPolicy, want.RestartPolicy)
	setField(p, path, "/restartPolicyRules", live.RestartPolicyRules != nil, len(want.RestartPolicyRules) > 0,
		len(live.RestartPolicyRules) == len(want.RestartPolicyRules) &&
			manifest.Rules{RestartPolicyRules: live.RestartPolicyRules}.Equal(manifest.Rules{RestartPolicyRules: want.RestartPolicyRules}), want.RestartPolicyRules)
}

// setField makes a field of a container that is there, or is to be there, what it is to be.
func setField[T any](p *patch, container, field string, there, wanted, same bool, value T) {
	switch {
	case there && !wanted:
		p.remove(p.path(container, field))
	case wanted && !there:
		p.add(p.path(container, field), value)
	case wanted && !same:
		p.replace(p.path(container, field), value)
	}
}

// mountsOf are what a wrapped container sees of the volume.
func mountsOf(name string) []manifest.VolumeMount {
	return []manifest.VolumeMount{
		{Name: api.VolumeName, MountPath: api.MountPath, SubPath: api.ContainersDir + "/" + name, ReadOnly: true},
		{Name: api.VolumeName, MountPath: api.AttemptPath, SubPath: api.AttemptsDir + "/" + name},
	}
}

// setMounts makes the mounts of ours in the container at that path what they are to be. The user's mounts are the
// live ones without ours.
func setMounts(p *patch, container string, live, user, want []manifest.VolumeMount) {
	var there []int
	same := len(live)-len(user) == len(want)
	if len(live) != len(user) {
		for i, m := range live {
			if m.Name == api.VolumeName {
				same = same && len(there) < len(want) && m == want[len(there)]
				there = append(there, i)
			}
		}
	}
	if !same {
		path := p.path(container, "/volumeMounts")
		p.removeAt(path, there)
		appendTo(p, path, live, want...)
	}
}
