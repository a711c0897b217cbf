// Package inject turns an admission request for a Pod into a JSON patch. It is pure: no clock, no
// network, the same request gives the same answer.
package inject

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/validation"
)

// Options are the installation's settings.
type Options struct {
	// Image holds the watcher and the shim.
	Image string
	// ImagePullPolicy of the watcher's container; empty leaves it to the API server's default.
	ImagePullPolicy corev1.PullPolicy
	// ShareProcessNamespace is the default for Pods that don't say themselves.
	ShareProcessNamespace bool
	// ReadinessPort is where watchers serve their Pod's readiness; 0: nowhere.
	ReadinessPort int32
	// EntryPoint gives what is known of an image, as a container names it, to a Pod with these pull secrets, at
	// once. What isn't known comes out as Result.Lookups. Nil: images can't be looked up.
	EntryPoint func(pullSecrets []string, image string) (found Found, known bool)
	// PinDigests has these images pinned, in Pods that don't say themselves.
	PinDigests bool
	// PullSecrets, by name, are added to Pods' imagePullSecrets, for Image.
	PullSecrets []string
	// Resources of the watcher, in place of those that it is given by itself. See watcherResources.
	Resources corev1.ResourceRequirements
	// Labels and Annotations are added to Pods that have none of the key.
	Labels, Annotations map[string]string
	// MinBackoff is the least that restarts in place wait, but for the first.
	MinBackoff time.Duration
	// Allowed is what rules may say.
	Allowed validation.Allowed
	// ReportURL is where watchers report what becomes of their Pods; empty: nowhere.
	ReportURL string
	// Native is what the cluster does itself.
	Native compile.Features
	// Checked says of a Pod on CREATE that an API server has checked the types of its fields.
	Checked bool
}

// DefaultReadinessPort is the port of Options.ReadinessPort where nothing else is said.
const DefaultReadinessPort = 15951

// Result is the answer to one admission request. If there are Errors the Pod is to be refused and
// Patch is empty. No warning is longer than 255 characters, from where on the API server complains.
type Result struct {
	Patch    []Op
	Warnings []string
	Errors   field.ErrorList
	// Lookups are images whose entry points are needed first: then the rest is empty but for Warnings. Ask
	// with PullSecrets, those of the Pod, and come back with what was found.
	Lookups     []string
	PullSecrets []string
	// Watched says of a Pod that it has the watcher, or is to have it.
	Watched bool
	// Native says of a Pod on CREATE that it has rules and that the kubelet does all of them by native fields, WholePod that
	// its watcher may restart all of it.
	Native, WholePod bool
}

// maxPlan is the longest plan that we write, in bytes. The kernel takes no environment variable
// above 128 KiB, and the plan travels in one.
const maxPlan = 120 << 10

// Create answers for a Pod on CREATE. It may see its own output again, changed by others: then it
// starts over from what the user wrote, and its patch has only what is different now. Pods that use
// none of our fields and annotations get an empty patch. The error says that object is no Pod.
func Create(object []byte, opts Options) (Result, error) {
	decode := manifest.DecodePod
	if opts.Checked {
		decode = manifest.DecodeChecked
	}
	live, err := decode(object)
	if err != nil {
		return Result{}, err
	}
	if live.Metadata.IsMirror() {
		return mirror(live), nil
	}
	if byNewerRelease(live) {
		return leftAlone(), nil
	}
	if errs := broken(live); len(errs) > 0 {
		return Result{Errors: errs}, nil
	}
	return create(live, object, nil, opts)
}

// create is Create for a live Pod or Pod template at root.
func create(live *manifest.Pod, object []byte, root *field.Path, opts Options) (Result, error) {
	inj, result, err := prepare(live, object, root, opts)
	if err != nil || inj == nil {
		return result, err
	}
	text, err := inj.plan()
	if err != nil {
		return Result{}, err
	}
	if len(text) > maxPlan {
		result.Errors = append(result.Errors, field.Forbidden(root.Child("metadata").Child("annotations").Key(api.PlanAnnotation),
			fmt.Sprintf("the plan compiled from this Pod's restart rules would have %d bytes, at most %d can be passed on: write fewer or simpler rules", len(text), maxPlan)))
	}
	if len(result.Errors) > 0 {
		return result, nil
	}
	if len(inj.lookups) > 0 {
		return Result{Warnings: result.Warnings, Lookups: inj.lookups, PullSecrets: pullSecrets(live)}, nil
	}
	result.Native, result.Watched = inj.native(), inj.wrapped()
	result.WholePod = result.Watched && inj.compiled.WholePod
	if inj.prev == nil && inj.nothingToDo() {
		return Result{Patch: dropOurs(live), Warnings: result.Warnings, Native: result.Native}, nil
	}
	if result.Patch, err = inj.patch(text); err != nil {
		return Result{}, err
	}
	return result, nil
}

// prepare validates and compiles. The injection is nil if there is nothing to inject: then the result
// is the answer. Otherwise it holds warnings and errors.
func prepare(live *manifest.Pod, object []byte, root *field.Path, opts Options) (*injection, Result, error) {
	prev := previous(live)
	if prev == nil && !live.HasRules() {
		return nil, Result{Patch: dropOurs(live)}, nil
	}
	user, err := original(live, prev)
	if err != nil {
		return nil, Result{}, err
	}
	if user.Spec.IsWindows() {
		return nil, Result{Warnings: []string{"the Pod runs on Windows, which Restart Rules doesn't support: it is left as it is and its restart rules are not applied"}}, nil
	}
	if user.Metadata.Annotations[api.ModeAnnotation] == api.ModeEmulate {
		opts.Native = compile.Features{}
	}
	doc, warnings, errs := validation.Pod(user, root, validation.Options{RestartAllContainers: true, Allowed: opts.Allowed})
	if len(errs) > 0 {
		return nil, Result{Warnings: warnings, Errors: errs}, nil
	}
	inj := newInjection(live, user, doc, opts)
	inj.prev = prev
	inj.object = object
	errs = inj.findEntryPoints(root)
	if err := inj.addTwins(); err != nil {
		return nil, Result{}, err
	}
	if inj.wrapped() {
		errs = append(errs, validation.Injection(user, inj.needs, root)...)
	}
	errs = append(errs, inj.cantSurvive(root)...)
	errs = append(errs, inj.cantResize(root)...)
	errs = append(errs, inj.cantRestartAll(root)...)
	return inj, Result{Warnings: append(warnings, inj.warnings()...), Errors: errs}, nil
}

// previous is the plan of a Pod that was injected, or nil. A plan annotation alone proves nothing:
// users write annotations too.
func previous(pod *manifest.Pod) *plan.Plan {
	text, ok := pod.Metadata.Annotations[api.PlanAnnotation]
	if !ok {
		return nil
	}
	p, err := plan.Decode(text)
	if err != nil || p.RestartPolicy.Compiled != string(pod.Spec.Policy()) {
		return nil
	}
	for _, c := range p.Containers {
		if c.TwinOf == "" && find(listOf(&pod.Spec, c.Kind), c.Name) == nil {
			return nil
		}
	}
	if len(p.Wrapped()) > 0 && !marked(pod) {
		return nil
	}
	return p
}

// dropOurs removes annotations that only we write, from a Pod that can't have them from us.
func dropOurs(pod *manifest.Pod) []Op {
	var p patch
	for _, name := range []string{api.PlanAnnotation, api.StatusAnnotation} {
		p.dropAnnotation(pod, name)
	}
	return p.ops
}

func listOf(spec *manifest.PodSpec, kind string) []manifest.Container {
	if kind == plan.KindInitContainer {
		return spec.InitContainers
	}
	return spec.Containers
}

func find(containers []manifest.Container, name string) *manifest.Container {
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}
