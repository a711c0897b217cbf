package inject

import (
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
)

// Update answers for a Pod on UPDATE. Where the request has again what the user wrote before the
// injection, the patch puts the live value in its place, so that an unchanged manifest changes
// nothing. Rules that differ from those the Pod was created with are errors: they are immutable.
// Everything else is left for the API server to judge. The error says that one object is no Pod.
func Update(object, oldObject []byte, opts Options) (Result, error) {
	pod, err := manifest.DecodePod(object)
	if err != nil {
		return Result{}, err
	}
	old, err := manifest.DecodePod(oldObject)
	if err != nil {
		return Result{}, fmt.Errorf("old object: %w", err)
	}
	if byNewerRelease(old) {
		return updateOfNewer(pod, old), nil
	}
	p := previous(old)
	if p == nil {
		return Result{Patch: dropNewPlan(pod, old), Warnings: tooLate(pod, old)}, nil
	}
	user, err := original(old, p)
	if err != nil {
		return Result{}, err
	}
	u := &update{opts: opts, pod: pod, old: old, user: user, plan: p}
	u.annotation(api.RulesAnnotation)
	u.annotation(api.LiftedRulesAnnotation)
	u.metadata()
	u.policy()
	u.containers(plan.KindContainer, pod.Spec.Containers, old.Spec.Containers, user.Spec.Containers)
	u.containers(plan.KindInitContainer, pod.Spec.InitContainers, old.Spec.InitContainers, user.Spec.InitContainers)
	if len(u.errs) > 0 {
		return Result{Errors: u.errs}, nil
	}
	if len(u.lookups) > 0 {
		return Result{Lookups: u.lookups, PullSecrets: pullSecrets(pod)}, nil
	}
	ops, err := KeepUnchanged(u.patch.ops, object, oldObject)
	if err != nil {
		return Result{}, err
	}
	return Result{Patch: ops, Warnings: u.warnings, Watched: len(p.Wrapped()) > 0}, nil
}

// dropNewPlan removes a plan that comes to a Pod that was not injected.
func dropNewPlan(pod, old *manifest.Pod) []Op {
	if _, had := old.Metadata.Annotations[api.PlanAnnotation]; had {
		return nil
	}
	var p patch
	p.dropAnnotation(pod, api.PlanAnnotation)
	return p.ops
}

// tooLate warns of rules that come to a Pod that was not injected.
func tooLate(pod, old *manifest.Pod) []string {
	if pod.HasRules() && !old.HasRules() {
		return []string{"restart rules take effect only when a Pod is created: delete this Pod and create it again to apply them"}
	}
	return nil
}

// update is one Pod on its way through Update.
type update struct {
	// pod is the one requested, old the live one, user the live one as its user once wrote it.
	pod, old, user *manifest.Pod
	plan           *plan.Plan
	// policyReset says that the request has the Pod's own restartPolicy again.
	policyReset bool
	opts        Options
	patch       patch
	errs        field.ErrorList
	warnings    []string
	lookups     []string
}

func immutable(path *field.Path, what string) *field.Error {
	return field.Forbidden(path, "pod updates may not change restart rules: "+what+"; delete the Pod and create it again")
}

// annotation wants an annotation with rules to say what it said.
func (u *update) annotation(name string) {
	was, had := u.old.Metadata.Annotations[name]
	is, has := u.pod.Metadata.Annotations[name]
	if had == has && was == is {
		return
	}
	path := field.NewPath("metadata", "annotations").Key(name)
	switch {
	case !has:
		u.errs = append(u.errs, immutable(path, "this annotation was removed"))
		return
	case !had:
		u.errs = append(u.errs, immutable(path, "this annotation was added"))
		return
	}
	oldDoc, oldProblems := manifest.ParseDocument(was)
	doc, problems := manifest.ParseDocument(is)
	if len(problems) > 0 || len(oldProblems) > 0 || !doc.Equal(oldDoc) {
		u.errs = append(u.errs, immutable(path, "this annotation was changed"))
	}
}

// metadata puts back what is ours. The labels and annotations of the user are mutable.
func (u *update) metadata() {
	live := u.old.Metadata.Annotations
	annotations := map[string]string{api.PlanAnnotation: live[api.PlanAnnotation]}
	if len(u.plan.Wrapped()) > 0 {
		u.patch.set("/metadata/labels", u.pod.Metadata.Labels, map[string]string{api.ModeLabel: api.ModeEmulated})
		if list := live[api.SafeToEvictAnnotation]; list != "" && withVolume(list) == list {
			annotations[api.SafeToEvictAnnotation] = withVolume(u.pod.Metadata.Annotations[api.SafeToEvictAnnotation])
		}
	}
	u.patch.set("/metadata/annotations", u.pod.Metadata.Annotations, annotations)
}

func (u *update) policy() {
	is, was := u.pod.Spec.Policy(), u.old.Spec.Policy()
	if is == was || is != u.user.Spec.Policy() {
		return
	}
	u.policyReset = true
	if u.pod.Spec.RestartPolicy == "" {
		u.patch.add("/spec/restartPolicy", was)
	} else {
		u.patch.replace("/spec/restartPolicy", was)
	}
}

func (u *update) containers(kind string, list, old, user []manifest.Container) {
	for i := range list {
		c := &list[i]
		entry, was, wrote := u.plan.Container(c.Name), find(old, c.Name), find(user, c.Name)
		if entry == nil || entry.Kind != kind || was == nil || wrote == nil {
			continue
		}
		path := u.patch.path("/spec/", kind, "s/", strconv.Itoa(i))
		reset := u.policyReset
		if again(c.Command, was.Command, wrote.Command) {
			u.patch.replace(path+"/command", was.Command)
			reset = true
		}
		if entry.EntryPoint != nil && len(c.Command) == 0 && len(was.Command) > 0 {
			u.patch.add(path+"/command", was.Command)
			reset = true
		}
		if again(c.PreStopExec(), was.PreStopExec(), wrote.PreStopExec()) {
			u.patch.replace(path+"/lifecycle/preStop/exec/command", was.PreStopExec())
			reset = true
		}
		reset = u.probes(path, c, was, wrote) || reset
		u.image(c, was, entry)
		u.entryPoint(path, field.NewPath("spec", kind+"s").Index(i), c, was, entry)
		if kind == plan.KindContainer || !was.IsSidecar() || len(wrote.RestartPolicyRules) > 0 {
			u.rules(c, was.Rules, wrote.Rules, kind, i, reset)
		}
	}
}

// image has the twin of an init container follow a change of its image, which is mutable.
func (u *update) image(c, was *manifest.Container, entry *plan.Container) {
	if entry.Twin == "" || c.Image == was.Image {
		return
	}
	for _, kind := range []string{plan.KindContainer, plan.KindInitContainer} {
		for i, twin := range listOf(&u.pod.Spec, kind) {
			if twin.Name == entry.Twin && twin.Image == was.Image {
				u.patch.replace(u.patch.path("/spec/", kind, "s/", strconv.Itoa(i), "/image"), c.Image)
			}
		}
	}
}

// again reports whether the request has what the user once wrote and we have replaced.
func again(is, was, wrote []string) bool {
	return len(is) > 0 && slices.Equal(is, wrote) && !slices.Equal(is, was)
}

// rules puts the live native fields back if the request has those that the Pod was created with. A
// request without them is the usual case, for the live Pod doesn't have them; only one that resets
// other fields to what the user wrote must have them too.
func (u *update) rules(c *manifest.Container, was, declared manifest.Rules, kind string, index int, reset bool) {
	is := c.Rules
	known := is.Equal(declared) || !is.IsZero() && (is.Equal(was) || is.Equal(u.annotated(kind, c.Name)))
	if known || is.IsZero() && !reset {
		setNative(&u.patch, u.patch.path("/spec/", kind, "s/", strconv.Itoa(index)), is, was)
		return
	}
	path := field.NewPath("spec", kind+"s").Index(index)
	if !(manifest.Rules{RestartPolicy: is.RestartPolicy}).Equal(manifest.Rules{RestartPolicy: declared.RestartPolicy}) {
		u.errs = append(u.errs, immutable(path.Child("restartPolicy"), fmt.Sprintf("container %q was created with %s", c.Name, policyText(declared))))
	}
	if !(manifest.Rules{RestartPolicyRules: is.RestartPolicyRules}).Equal(manifest.Rules{RestartPolicyRules: declared.RestartPolicyRules}) {
		u.errs = append(u.errs, immutable(path.Child("restartPolicyRules"), fmt.Sprintf("container %q was created with %s", c.Name, rulesText(declared))))
	}
}

// annotated are the rules that the annotation gave the container when the Pod was created.
func (u *update) annotated(kind, name string) manifest.Rules {
	doc, _ := manifest.ParseDocument(u.old.Metadata.Annotations[api.RulesAnnotation])
	entry := doc.Container(name)
	if kind == plan.KindInitContainer {
		entry = doc.InitContainer(name)
	}
	if entry == nil {
		return manifest.Rules{}
	}
	return entry.Rules
}

func policyText(r manifest.Rules) string {
	if r.RestartPolicy == nil {
		return "no restartPolicy"
	}
	return "restartPolicy " + string(*r.RestartPolicy)
}

func rulesText(r manifest.Rules) string {
	switch len(r.RestartPolicyRules) {
	case 0:
		return "no restartPolicyRules"
	case 1:
		return "another rule than this"
	default:
		return fmt.Sprintf("%d other restartPolicyRules", len(r.RestartPolicyRules))
	}
}
