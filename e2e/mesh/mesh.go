// Package mesh does to Pods what the injectors of service meshes do, as far as it concerns others: which
// containers they add, where, and what they rewrite. Tests use it next to Restart Rules; no mesh comes of it.
package mesh

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Options are those of a mesh's installation.
type Options struct {
	// Image is that of all containers of the mesh.
	Image string
	// Command and Args are the proxy's, InitCommand and InitArgs those of the init container. Meshes leave out
	// the commands: their images have entry points.
	Command, Args, InitCommand, InitArgs []string
	// Native has the proxy be a sidecar among the init containers.
	Native bool
	// ProxyFirst has the application wait for the proxy: it is the first container and has a postStart hook
	// (Istio's holdApplicationUntilProxyStarts, Linkerd's config.linkerd.io/proxy-await).
	ProxyFirst bool
	// PostStart is that hook's command.
	PostStart []string
}

// has reports whether a container of that name is in the list.
func has(list []corev1.Container, name string) bool { return indexOf(list, name) >= 0 }

func indexOf(list []corev1.Container, name string) int {
	return slices.IndexFunc(list, func(c corev1.Container) bool { return c.Name == name })
}

// moved has the container of that name first or last in the list, if it is there.
func moved(list []corev1.Container, name string, first bool) []corev1.Container {
	i := indexOf(list, name)
	if i < 0 {
		return list
	}
	c := list[i]
	list = slices.Delete(slices.Clone(list), i, i+1)
	if first {
		return slices.Insert(list, 0, c)
	}
	return append(list, c)
}

// proxy is what the proxies of both meshes have in common.
func (o Options) proxy(name string) corev1.Container {
	c := corev1.Container{
		Name: name, Image: o.Image, ImagePullPolicy: corev1.PullIfNotPresent, Command: o.Command, Args: o.Args,
		SecurityContext: &corev1.SecurityContext{RunAsUser: new(int64(2102)), AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true)},
	}
	if o.Native {
		c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	}
	if o.ProxyFirst && !o.Native {
		c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: o.PostStart}}}
	}
	return c
}

func (o Options) init(name string) corev1.Container {
	return corev1.Container{Name: name, Image: o.Image, ImagePullPolicy: corev1.PullIfNotPresent, Command: o.InitCommand, Args: o.InitArgs}
}

func addVolume(pod *corev1.Pod, name string) {
	if slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name }) {
		return
	}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}})
}

func annotate(pod *corev1.Pod, key, value string) {
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, key, value)
}
