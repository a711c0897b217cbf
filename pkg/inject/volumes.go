package inject

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// ourVolume is a volume that is injected, as JSON.
type ourVolume struct {
	name string
	json.RawMessage
}

func newVolume(name string, source corev1.VolumeSource) ourVolume {
	return ourVolume{name, encodeOurs(corev1.Volume{Name: name, VolumeSource: source})}
}

func appendVolume(text []byte, v ourVolume) []byte { return append(text, v.RawMessage...) }

// controlVolume brings what may change while the Pod lives to its watcher. The kubelet keeps it up to date, so nobody
// has to reach into the Pod, and no webhook has to be there. It must not be changed.
var controlVolume = newVolume(api.ControlVolumeName, corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
	Items: []corev1.DownwardAPIVolumeFile{{Path: api.ControlPausedFile,
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['" + api.PausedAnnotation + "']"}}}}})

// sharedVolume holds what watcher and shims share. It must not be changed.
var sharedVolume = newVolume(api.VolumeName, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})

// volumes makes our volumes what they are to be. The user's are the live ones without ours.
func (inj *injection) volumes(p *patch) {
	var want []ourVolume
	if inj.wrapped() {
		want = append(make([]ourVolume, 0, 4), sharedVolume)
		if name := inj.initScripts(); name != "" {
			want = append(want, newVolume(api.ScriptsVolumeName, corev1.VolumeSource{
				ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}))
		}
		if inj.opts.ReportURL != "" {
			want = append(want, reportVolume)
		}
		want = append(want, controlVolume)
	}
	wanted := func(name string) bool {
		return slices.ContainsFunc(want, func(v ourVolume) bool { return v.name == name })
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
	want = slices.DeleteFunc(want, func(v ourVolume) bool { return there[v.name] })
	appendTo(p, "/spec/volumes", live, want...)
}
