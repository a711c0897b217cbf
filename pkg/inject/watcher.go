package inject

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// nonroot is the user and group of the watcher, those of distroless images.
const nonroot = 65532

// What is the same in every watcher. It must not be changed.
var (
	sidecar        = corev1.ContainerRestartPolicyAlways
	watcherCommand = []string{"/shim", "run", "--container=" + api.WatcherContainer, "--on-exit=0-255:restart/policy",
		"--backoff=10ms/1s/1s", "--dir=", "--", "/watcher", "serve"}
	watcherEnv = []corev1.EnvVar{
		// For each CPU the Go runtime takes memory before any code of the program runs: a third more on 64 of them.
		{Name: "GOMAXPROCS", Value: "1"},
		fromField(api.PlanEnv, "metadata.annotations['"+api.PlanAnnotation+"']"),
		fromField(api.PodIPEnv, "status.podIP"),
	}
	watcherLifecycle = corev1.Lifecycle{
		PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"/watcher", "install"}}},
		PreStop:   &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"/watcher", "terminating"}}},
	}
	watcherSecurity = corev1.SecurityContext{
		RunAsNonRoot:             new(true),
		RunAsUser:                new(int64(nonroot)),
		RunAsGroup:               new(int64(nonroot)),
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
)

// watcherContainer is the container that is injected. It passes the Pod Security Standard
// "restricted".
func (inj *injection) watcherContainer() *corev1.Container {
	c := &corev1.Container{
		Name:            api.WatcherContainer,
		Image:           inj.opts.Image,
		ImagePullPolicy: inj.opts.ImagePullPolicy,
		RestartPolicy:   &sidecar,
		Command:         watcherCommand,
		Env:             append(slices.Clip(watcherEnv), inj.reportEnv()...),
		ReadinessProbe:  inj.readinessProbe(),
		Lifecycle:       &watcherLifecycle,
		VolumeMounts:    inj.watcherMounts(),
		Resources:       watcherResources(&inj.user.Spec, &inj.opts.Resources),
		SecurityContext: &watcherSecurity,
	}
	if user := inj.watcherUser(); user != nonroot {
		own := watcherSecurity
		own.RunAsNonRoot, own.RunAsUser = new(user != 0), &user
		c.SecurityContext = &own
	}
	return c
}

func fromField(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
}

// watcherUser is the user of the watcher. Only the sandbox's own user may end it without any
// capability: the Pod's, or that of the usual pause images.
func (inj *injection) watcherUser() int64 {
	const pause = 65535
	switch {
	case !inj.byNewSandbox():
		return nonroot
	case inj.user.Spec.SecurityContext != nil && inj.user.Spec.SecurityContext.RunAsUser != nil:
		return *inj.user.Spec.SecurityContext.RunAsUser
	default:
		return pause
	}
}

// readinessPort is where the watcher serves the Pod's readiness; 0: nowhere. In the network of the
// node, or where a container has the port itself, it would be in the way.
func (inj *injection) readinessPort() int32 {
	if !inj.wrapped() || inj.user.Spec.HostNetwork {
		return 0
	}
	for i := range inj.parts {
		if slices.ContainsFunc(inj.parts[i].user.Ports, func(p manifest.Port) bool { return p.ContainerPort == inj.opts.ReadinessPort }) {
			return 0
		}
	}
	return inj.opts.ReadinessPort
}

func (inj *injection) watcherMounts() []corev1.VolumeMount {
	mounts := append(make([]corev1.VolumeMount, 0, 4), corev1.VolumeMount{Name: api.VolumeName, MountPath: api.MountPath})
	if inj.initScripts() != "" {
		mounts = append(mounts, corev1.VolumeMount{Name: api.ScriptsVolumeName, MountPath: api.ScriptsPath, ReadOnly: true})
	}
	mounts = append(mounts, inj.reportMounts()...)
	return append(mounts, corev1.VolumeMount{Name: api.ControlVolumeName, MountPath: api.ControlPath, ReadOnly: true})
}
