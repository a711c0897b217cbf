package inject

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/validation"
)

// Check compares a Pod that is being created, as all mutating webhooks have left it, with its plan. A Pod
// with no trace of an injection has no errors, and neither has one that a newer release of the webhook has
// injected: only that can tell. The error says that object is no Pod.
func Check(object []byte) (field.ErrorList, error) {
	pod, err := manifest.DecodeChecked(object)
	if err != nil {
		return nil, err
	}
	if pod.Metadata.IsMirror() {
		return nil, nil // to refuse it changes nothing in what runs
	}
	c := &check{pod: pod}
	text, ok := pod.Metadata.Annotations[api.PlanAnnotation]
	if !ok {
		c.unplanned()
		return c.errs, nil
	}
	p, err := plan.Decode(text)
	if isNewer(pod, err) {
		return nil, nil
	}
	if err != nil {
		return field.ErrorList{&field.Error{Type: field.ErrorTypeInvalid, Field: planPath().String(), BadValue: field.OmitValueType{},
			Detail: err.Error() + "; Restart Rules writes this annotation itself, leave it out"}}, nil
	}
	c.plan = p
	c.agrees()
	return c.errs, nil
}

// CheckUpdate is Check for a Pod that is being updated. It has no errors that the old object has, too: of
// a Pod that lives nothing is refused but what would break it now. So a Pod that another release has
// injected can be updated whatever we make of it.
func CheckUpdate(object, oldObject []byte) (field.ErrorList, error) {
	errs, err := Check(object)
	if err != nil || len(errs) == 0 {
		return errs, err
	}
	old, err := Check(oldObject)
	if err != nil {
		return nil, fmt.Errorf("old object: %w", err)
	}
	return slices.DeleteFunc(errs, func(e *field.Error) bool {
		return slices.ContainsFunc(old, func(was *field.Error) bool { return e.Error() == was.Error() })
	}), nil
}

// broken are the errors of a Pod with shims that others have changed so that its plan no longer says what
// its user wrote.
func broken(pod *manifest.Pod) field.ErrorList {
	text := pod.Metadata.Annotations[api.PlanAnnotation]
	if text == "" {
		return nil
	}
	p, err := plan.Decode(text)
	if err != nil || previous(pod) != nil || !slices.ContainsFunc(slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers), runsShim) {
		return nil
	}
	c := &check{pod: pod, plan: p}
	c.agrees()
	return c.errs
}

func runsShim(c manifest.Container) bool { return len(c.Command) > 0 && c.Command[0] == api.ShimPath }

// check is one Pod on its way through Check.
type check struct {
	pod  *manifest.Pod
	plan *plan.Plan
	errs field.ErrorList
}

// AgainstPlan is in each error of Check that says that somebody has changed a Pod.
const AgainstPlan = "against the Pod's plan"

// changed is the error of a field that is not as it was left by us.
func (c *check) changed(path *field.Path, format string, args ...any) {
	c.errs = append(c.errs, field.Forbidden(path, fmt.Sprintf(format, args...)+
		", "+AgainstPlan+": another admission webhook changed it after Restart Rules had seen the Pod for the last time "+
		"(it must leave that alone, or run before: mutating webhooks run in the order of their configurations' names), or it was copied from an injected Pod"))
}

func planPath() *field.Path {
	return field.NewPath("metadata", "annotations").Key(api.PlanAnnotation)
}

// unplanned finds containers with a shim in a Pod without a plan.
func (c *check) unplanned() {
	for _, list := range [][]manifest.Container{c.pod.Spec.Containers, c.pod.Spec.InitContainers} {
		for i := range list {
			if runsShim(list[i]) {
				c.errs = append(c.errs, field.Required(planPath(), fmt.Sprintf("container %q runs the shim %s, but the Pod has no plan: "+
					"write the container's own command, Restart Rules adds the shim", list[i].Name, api.ShimPath)))
			}
		}
	}
}

func (c *check) agrees() {
	spec := field.NewPath("spec")
	if is, want := string(c.pod.Spec.Policy()), c.plan.RestartPolicy.Compiled; is != want {
		c.changed(spec.Child("restartPolicy"), "it is %s instead of %s", is, want)
	}
	c.list(plan.KindContainer, spec.Child("containers"), c.pod.Spec.Containers)
	c.list(plan.KindInitContainer, spec.Child("initContainers"), c.pod.Spec.InitContainers)
	if len(c.plan.Wrapped()) == 0 {
		return
	}
	if c.pod.Metadata.Labels[api.ModeLabel] != api.ModeEmulated {
		c.changed(field.NewPath("metadata", "labels").Key(api.ModeLabel), "it is not %q", api.ModeEmulated)
	}
	if c.plan.RestartAll != nil {
		c.wholePod(spec)
	}
	if !slices.ContainsFunc(c.pod.Spec.Volumes, func(v manifest.Volume) bool { return v.Name == api.VolumeName }) {
		c.changed(spec.Child("volumes"), "volume %q is missing", api.VolumeName)
	}
	c.watcher(spec.Child("initContainers"))
}

// list compares the containers of one list with those of the plan.
func (c *check) list(kind string, path *field.Path, list []manifest.Container) {
	for _, entry := range c.plan.Containers {
		if entry.Kind != kind {
			continue
		}
		i := slices.IndexFunc(list, func(c manifest.Container) bool { return c.Name == entry.Name })
		if i < 0 {
			c.changed(path, "container %q is missing", entry.Name)
			continue
		}
		c.container(path.Index(i), &list[i], &entry)
	}
	for i := range list {
		name := list[i].Name
		sidecar := kind == plan.KindInitContainer && list[i].IsSidecar() // restarted under any policy
		if sidecar || name == api.WatcherContainer || c.plan.Container(name) != nil {
			continue
		}
		if own, compiled := c.plan.RestartPolicy.Own, c.plan.RestartPolicy.Compiled; own != compiled {
			c.changed(path.Index(i), "container %q came after the Pod's restartPolicy had been made %s instead of %s", name, compiled, own)
		}
	}
}

func (c *check) container(path *field.Path, live *manifest.Container, entry *plan.Container) {
	taken, carried, err := recorded(entry)
	switch {
	case err != nil:
		c.changed(planPath(), "%v", err)
	case entry.Carried != nil:
		if !live.Rules.Equal(carried) {
			c.changed(path.Child("restartPolicy"), "container %q has not the restartPolicy and restartPolicyRules that it was given", live.Name)
		}
	case entry.TwinOf == "" || entry.Kind == plan.KindContainer:
		if live.RestartPolicy != nil && (entry.Kind == plan.KindContainer || !live.IsSidecar()) {
			c.changed(path.Child("restartPolicy"), "container %q has a restartPolicy", live.Name)
		}
		if len(live.RestartPolicyRules) > 0 {
			c.changed(path.Child("restartPolicyRules"), "container %q has restartPolicyRules", live.Name)
		}
	}
	shimmed := runsShim(*live)
	if !entry.Wrapped {
		if shimmed {
			c.changed(path.Child("command"), "container %q runs the shim %s", live.Name, api.ShimPath)
		}
		return
	}
	if taken.LivenessProbe != nil && live.LivenessProbe != nil {
		c.changed(path.Child("livenessProbe"), "container %q has a livenessProbe, which the watcher was to run", live.Name)
	}
	if taken.StartupProbe != nil && !isOurs(live.StartupProbe) {
		c.changed(path.Child("startupProbe"), "the startupProbe of container %q doesn't ask the shim %s", live.Name, api.ShimPath)
	}
	flags := live.Command[:max(slices.Index(live.Command, "--"), 0)]
	if !shimmed || !slices.Contains(flags, "--container="+entry.Name) || !slices.Contains(flags, "--on-exit="+entry.OnExit) {
		c.changed(path.Child("command"), "the command of container %q doesn't begin with the shim %s and its exit table", live.Name, api.ShimPath)
	}
	for _, want := range mountsOf(entry.Name) {
		if !slices.Contains(live.VolumeMounts, want) {
			c.changed(path.Child("volumeMounts"), "container %q doesn't mount %s of volume %q at %s", live.Name, want.SubPath, want.Name, want.MountPath)
		}
	}
}

// watcher wants the watcher to be a sidecar that starts before any wrapped init container, and to have
// what it works with.
func (c *check) watcher(path *field.Path) {
	for i := range c.pod.Spec.InitContainers {
		live := &c.pod.Spec.InitContainers[i]
		if live.Name == api.WatcherContainer {
			c.watcherContainer(path.Index(i), live)
			return
		}
		if entry := c.plan.Container(live.Name); entry != nil && entry.Wrapped {
			c.changed(path.Index(i), "init container %q comes before container %q, which brings its shim", live.Name, api.WatcherContainer)
		}
	}
	c.changed(path, "container %q is missing", api.WatcherContainer)
}

// watcherContainer wants of the watcher what every release has given it.
func (c *check) watcherContainer(path *field.Path, live *manifest.Container) {
	if !live.IsSidecar() {
		c.changed(path.Child("restartPolicy"), "container %q is not a sidecar (restartPolicy Always)", live.Name)
	}
	if len(live.Command) == 0 {
		c.changed(path.Child("command"), "container %q has no command", live.Name)
	}
	if h := live.PostStart(); h == nil || h.Exec == nil {
		c.changed(path.Child("lifecycle").Child("postStart"), "container %q has not the hook that installs the shim", live.Name)
	}
	if live.PreStopExec() == nil {
		c.changed(path.Child("lifecycle").Child("preStop"), "container %q has not the hook that tells of the Pod's deletion", live.Name)
	}
	if !slices.ContainsFunc(live.EnvVars(), func(e manifest.EnvVar) bool { return e.Name == api.PlanEnv && e.Value == "" }) {
		c.changed(path.Child("env"), "container %q has not the plan in variable %s", live.Name, api.PlanEnv)
	}
	if !slices.Contains(live.VolumeMounts, manifest.VolumeMount{Name: api.VolumeName, MountPath: api.MountPath}) {
		c.changed(path.Child("volumeMounts"), "container %q doesn't mount volume %q at %s", live.Name, api.VolumeName, api.MountPath)
	}
}

// wholePod wants each container that takes part in restarts of the whole Pod to be in the plan, and init
// containers in the order in which they are run again.
func (c *check) wholePod(spec *field.Path) {
	excluded := validation.Excluded(c.pod)
	for _, list := range []struct {
		kind, name string
		containers []manifest.Container
	}{
		{plan.KindContainer, "containers", c.pod.Spec.Containers},
		{plan.KindInitContainer, "initContainers", c.pod.Spec.InitContainers},
	} {
		next := 0 // in the plan
		for i := range list.containers {
			name, path := list.containers[i].Name, spec.Child(list.name).Index(i)
			at := slices.IndexFunc(c.plan.Containers, func(e plan.Container) bool { return e.Name == name && e.Kind == list.kind })
			switch {
			case name == api.WatcherContainer:
			case at < 0 && !excluded[name]:
				c.errs = append(c.errs, field.Forbidden(path, fmt.Sprintf("container %q came after Restart Rules had seen the Pod for the last time, so it can't restart with the whole Pod: "+
					"name it in the annotation %s, or have the webhook that adds it run before (mutating webhooks run in the order of their configurations' names)", name, api.ExcludeContainersAnnotation)))
			case at >= 0 && at < next && list.kind == plan.KindInitContainer:
				c.changed(path, "init container %q has another place", name)
			case at >= 0:
				next = at
			}
		}
	}
}
