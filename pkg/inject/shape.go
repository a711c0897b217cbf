package inject

import (
	"slices"
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

// controlVolume brings what may change while the Pod lives to its watcher. The kubelet keeps it up to date, so nobody
// has to reach into the Pod, and no webhook has to be there. It must not be changed.
var controlVolume = corev1.Volume{Name: api.ControlVolumeName, VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
	Items: []corev1.DownwardAPIVolumeFile{{Path: api.ControlPausedFile,
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['" + api.PausedAnnotation + "']"}}}}}}

// sharedVolume holds what watcher and shims share. It must not be changed.
var sharedVolume = corev1.Volume{Name: api.VolumeName, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}

// volumes makes our volumes what they are to be. The user's are the live ones without ours.
func (inj *injection) volumes(p *patch) {
	var want []corev1.Volume
	if inj.wrapped() {
		want = append(make([]corev1.Volume, 0, 4), sharedVolume)
		if name := inj.initScripts(); name != "" {
			want = append(want, corev1.Volume{Name: api.ScriptsVolumeName, VolumeSource: corev1.VolumeSource{
				ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}})
		}
		if inj.opts.ReportURL != "" {
			want = append(want, reportVolume)
		}
		want = append(want, controlVolume)
	}
	wanted := func(name string) bool {
		return slices.ContainsFunc(want, func(v corev1.Volume) bool { return v.Name == name })
	}
	live, there := inj.live.Spec.Volumes, map[string]bool{}
	var gone []int
	for i, v := range live {
		if slices.ContainsFunc(inj.user.Spec.Volumes, func(u manifest.Volume) bool { return u == v }) {
			continue
		}
		there[v.Name] = true
		if !wanted(v.Name) {
			gone = append(gone, i)
		}
	}
	p.removeAt("/spec/volumes", gone)
	want = slices.DeleteFunc(want, func(v corev1.Volume) bool { return there[v.Name] })
	appendTo(p, "/spec/volumes", live, want...)
}
