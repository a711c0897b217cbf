package inject

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// nonroot is the user and group of the watcher, those of distroless images.
const nonroot = 65532

// watcherContainer is the container that is injected. It passes the Pod Security Standard
// "restricted".
func (inj *injection) watcherContainer() corev1.Container {
	always := corev1.ContainerRestartPolicyAlways
	return corev1.Container{
		Name:            api.WatcherContainer,
		Image:           inj.opts.Image,
		ImagePullPolicy: inj.opts.ImagePullPolicy,
		RestartPolicy:   &always,
		Command: []string{"/shim", "run", "--container=" + api.WatcherContainer, "--on-exit=0-255:restart/policy",
			"--backoff=10ms/1s/1s", "--dir=", "--", "/watcher", "serve"},
		Env: []corev1.EnvVar{{Name: api.PlanEnv, ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['" + api.PlanAnnotation + "']"}}}},
		Lifecycle: &corev1.Lifecycle{
			PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"/watcher", "install"}}},
			PreStop:   &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"/watcher", "terminating"}}},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: api.VolumeName, MountPath: api.MountPath}},
		Resources:    watcherResources(&inj.user.Spec),
		SecurityContext: &corev1.SecurityContext{
			RunAsNonRoot:             new(true),
			RunAsUser:                new(int64(nonroot)),
			RunAsGroup:               new(int64(nonroot)),
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
}

// watcher makes the watcher the first init container, or removes it where nothing is wrapped. A
// watcher that is there already is kept as it is, for others have added to it (the ServiceAccount
// admission its token); it is moved to the front, is given the resources that it lacks, and is
// replaced if another release injected it.
func (inj *injection) watcher(p *patch, object []byte) error {
	const path = "/spec/initContainers"
	list := inj.live.Spec.InitContainers
	there := -1
	if len(list) != len(inj.user.Spec.InitContainers) {
		there = slices.IndexFunc(list, func(c manifest.Container) bool { return c.Name == api.WatcherContainer })
	}
	want := inj.watcherContainer()
	switch {
	case !inj.wrapped():
		if there >= 0 {
			p.remove(at(path, there))
		}
		return nil
	case there < 0 && list == nil:
		p.add(path, []corev1.Container{want})
		return nil
	case there < 0:
		p.add(at(path, 0), want)
		return nil
	}
	live := &list[there]
	if !slices.Equal(live.Command, want.Command) || !slices.Equal(live.PreStopExec(), want.Lifecycle.PreStop.Exec.Command) {
		p.remove(at(path, there))
		p.add(at(path, 0), want)
		return nil
	}
	if there > 0 {
		raw, err := rawInitContainer(object, there)
		if err != nil {
			return err
		}
		p.remove(at(path, there))
		p.add(at(path, 0), raw)
	}
	if !covers(live.Resources, want.Resources) {
		p.add(at(path, 0)+"/resources", want.Resources)
	}
	return nil
}

// rawInitContainer is an init container with all its fields.
func rawInitContainer(object []byte, index int) (json.RawMessage, error) {
	var pod struct {
		Spec struct {
			InitContainers []json.RawMessage `json:"initContainers"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(object, &pod); err != nil {
		return nil, fmt.Errorf("decode pod: init containers: %w", err)
	}
	return pod.Spec.InitContainers[index], nil
}
