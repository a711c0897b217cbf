package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/rules"
)

// warnWholePod says what restarts of the whole Pod change.
func (inj *injection) warnWholePod(warn func(format string, args ...any)) {
	if !inj.compiled.WholePod {
		for _, name := range []string{api.ExcludeContainersAnnotation, api.StrategyAnnotation, api.InitScriptsAnnotation} {
			if inj.user.Metadata.Annotations[name] != "" {
				warn("annotation %s has no effect: no rule that Restart Rules carries out concerns the whole Pod", name)
			}
		}
		return
	}
	if len(inj.twins) > 0 {
		var names []string
		for i := range inj.twins {
			names = append(names, inj.twins[i].name)
		}
		warn("containers are added that run the init containers again: %s; they stay as long as the Pod does", strings.Join(names, ", "))
	}
	if grown := inj.grown(); grown != "" {
		warn("the Pod requests more than its containers say: %s", grown)
	}
	for i := range inj.twins {
		t := &inj.twins[i]
		if names := onlyOnce(&t.of.user.Resources); len(names) > 0 {
			warn("init container %q: container %q, which runs it again, does not request a second time: %s", t.of.user.Name, t.name, strings.Join(names, ", "))
		}
	}
	for i := range inj.parts {
		p := &inj.parts[i]
		switch {
		case !inj.excluded[p.user.Name]:
		case p.rules.Kind == rules.Init:
			warn("init container %q does not run again when the whole Pod restarts (annotation %s)", p.user.Name, api.ExcludeContainersAnnotation)
		case p.rules.Kind == rules.Regular && inj.endsPod():
			warn("container %q is not ended by the action TerminatePod (annotation %s): the Pod is over when it has ended, too", p.user.Name, api.ExcludeContainersAnnotation)
		}
	}
}

// endsPod reports whether a rule has the action TerminatePod.
func (inj *injection) endsPod() bool {
	return slices.ContainsFunc(inj.parts, func(p part) bool {
		return slices.ContainsFunc(p.rules.Rules, func(r corev1.ContainerRestartRule) bool { return r.Action == rules.ActionTerminatePod })
	})
}

// grown is what is requested for the watcher and the twins together.
func (inj *injection) grown() string {
	sum := corev1.ResourceList{}
	add := func(list corev1.ResourceList) {
		for name, quantity := range list {
			total := sum[name]
			total.Add(quantity)
			sum[name] = total
		}
	}
	add(watcherResources(&inj.user.Spec, &inj.opts.Resources).Requests)
	for i := range inj.twins {
		add(inj.twins[i].resources.Requests)
	}
	var texts []string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if total, ok := sum[name]; ok {
			texts = append(texts, string(name)+" "+total.String())
		}
	}
	return strings.Join(texts, ", ")
}

// onlyOnce are the resources of an init container that its twin isn't given.
func onlyOnce(r *corev1.ResourceRequirements) (names []string) {
	for _, list := range []corev1.ResourceList{r.Requests, r.Limits} {
		for name, quantity := range list {
			switch {
			case name == corev1.ResourceCPU, name == corev1.ResourceMemory, quantity.Sign() <= 0, slices.Contains(names, string(name)):
			default:
				names = append(names, string(name))
			}
		}
	}
	slices.Sort(names)
	return names
}
