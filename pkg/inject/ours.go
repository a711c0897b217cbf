package inject

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
)

// ourContainer is a container that is injected.
type ourContainer struct {
	name string
	// whole is what it is added as. fixed is without its resources, and without those of its fields that
	// others may have changed; it is there if the Pod has the container.
	whole     any
	fixed     json.RawMessage
	resources corev1.ResourceRequirements
	// unprobed says that it must not have a readinessProbe.
	unprobed bool
}

// rawContainers are the containers of a Pod with all their fields.
type rawContainers struct {
	Containers     []json.RawMessage `json:"containers"`
	InitContainers []json.RawMessage `json:"initContainers"`
}

// rawContainers decodes them, which few injections need.
func (inj *injection) rawContainers() (*rawContainers, error) {
	if inj.raw != nil {
		return inj.raw, nil
	}
	var pod struct {
		Spec rawContainers `json:"spec"`
	}
	if err := json.Unmarshal(inj.object, &pod); err != nil {
		return nil, fmt.Errorf("decode pod: containers: %w", err)
	}
	inj.raw = &pod.Spec
	return inj.raw, nil
}

// ourContainers makes the injected containers what they are to be: the watcher and sidecar twins are
// the first init containers, the other twins come behind the user's containers. Others that want to be
// first, too, may stay before them if they have no shim: service meshes insist on it.
func (inj *injection) ourContainers(p *patch) error {
	var first, last []ourContainer
	if inj.wrapped() {
		w, err := inj.ourWatcher()
		if err != nil {
			return err
		}
		first = append(first, w)
	}
	for i := range inj.twins {
		t := &inj.twins[i]
		c := ourContainer{name: t.name, fixed: t.json, resources: t.resources}
		var err error
		if c.whole, err = withResources(t.json, corev1.ResourceRequirements{}, t.resources); err != nil {
			return err
		}
		if t.sidecar {
			first = append(first, c)
		} else {
			last = append(last, c)
		}
	}
	containers, initContainers := inj.ours(plan.KindContainer), inj.ours(plan.KindInitContainer)
	raw := new(rawContainers)
	if len(containers)+len(initContainers) > 0 {
		var err error
		if raw, err = inj.rawContainers(); err != nil {
			return err
		}
	}
	l := ourList{patch: p, path: "/spec/containers", live: inj.live.Spec.Containers, raw: raw.Containers, ours: containers}
	if err := l.append(last); err != nil {
		return err
	}
	l = ourList{patch: p, path: "/spec/initContainers", live: inj.live.Spec.InitContainers, raw: raw.InitContainers, ours: initContainers}
	return l.prepend(first, inj.firstWrapped())
}

// firstWrapped is the index of the first live init container that gets a shim and isn't ours.
func (inj *injection) firstWrapped() int {
	for i := range inj.parts {
		if p := &inj.parts[i]; p.planKind == plan.KindInitContainer && p.compiled.Wrapped {
			return p.index
		}
	}
	return len(inj.live.Spec.InitContainers)
}

// ours are the indexes of the live containers of one list that the user doesn't have.
func (inj *injection) ours(kind string) (indexes []int) {
	for i := range listOf(&inj.live.Spec, kind) {
		if !slices.ContainsFunc(inj.parts, func(p part) bool { return p.planKind == kind && p.index == i }) {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// ourWatcher is the watcher. Others may rewrite images, and the probe: service meshes do.
func (inj *injection) ourWatcher() (w ourContainer, err error) {
	c := inj.watcherContainer()
	w = ourContainer{name: c.Name, whole: c, resources: c.Resources, unprobed: c.ReadinessProbe == nil}
	if find(inj.live.Spec.InitContainers, c.Name) == nil {
		return w, nil
	}
	fixed := *c
	fixed.Resources = corev1.ResourceRequirements{}
	fixed.Image, fixed.ImagePullPolicy = "", ""
	if inj.probeRewritten() {
		fixed.ReadinessProbe = nil
	}
	if w.fixed, err = json.Marshal(fixed); err != nil {
		return w, fmt.Errorf("encode container %s: %w", api.WatcherContainer, err)
	}
	return w, nil
}

// ourList is a list of live containers, some of which are ours.
type ourList struct {
	patch *patch
	path  string
	live  []manifest.Container
	raw   []json.RawMessage
	// ours are the indexes of those of ours, ascending.
	ours []int
}

// find is the index of the live container of ours with that name, or -1.
func (l *ourList) find(name string) int {
	if i := slices.IndexFunc(l.ours, func(i int) bool { return l.live[i].Name == name }); i >= 0 {
		return l.ours[i]
	}
	return -1
}

// keeps reports whether the live container is as wanted: others may have added to it.
func (l *ourList) keeps(index int, want *ourContainer) bool {
	if want.unprobed && l.live[index].ReadinessProbe != nil {
		return false
	}
	return manifest.Raw(l.raw[index]).Contains(manifest.Raw(want.fixed))
}

// value is what a container that is not there yet, or not in its place, is added as.
func (l *ourList) value(want *ourContainer) (any, error) {
	if i := l.find(want.name); i >= 0 && l.keeps(i, want) {
		return withResources(l.raw[i], l.live[i].Resources, want.resources)
	}
	return want.whole, nil
}

// settle makes the live container at that index, which stays in its place, what it is to be.
func (l *ourList) settle(index int, want *ourContainer) {
	switch {
	case !l.keeps(index, want):
		l.patch.replace(l.patch.at(l.path, index), want.whole)
	case !covers(l.live[index].Resources, want.resources):
		l.patch.add(l.patch.path(l.path, "/", strconv.Itoa(index), "/resources"), want.resources)
	}
}

// withResources is the container with the resources that it lacks.
func withResources(container json.RawMessage, live, want corev1.ResourceRequirements) (json.RawMessage, error) {
	if covers(live, want) {
		return container, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(container, &fields); err != nil {
		return nil, fmt.Errorf("decode container: %w", err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("encode resources: %w", err)
	}
	fields["resources"] = text
	return json.Marshal(fields)
}

// append has the wanted containers behind the user's. Those that are there stay in their place.
func (l *ourList) append(want []ourContainer) error {
	var gone []int
	for _, i := range l.ours {
		at := slices.IndexFunc(want, func(c ourContainer) bool { return c.name == l.live[i].Name })
		if at < 0 {
			gone = append(gone, i)
		} else {
			l.settle(i, &want[at])
		}
	}
	l.patch.removeAt(l.path, gone)
	for i := range want {
		if l.find(want[i].name) >= 0 {
			continue
		}
		value, err := l.value(&want[i])
		if err != nil {
			return err
		}
		l.patch.add(l.patch.path(l.path, "/-"), value)
	}
	return nil
}

// prepend has the wanted containers, in this order, before the user's. Where they are already they stay
// if that is before the given index.
func (l *ourList) prepend(want []ourContainer, before int) error {
	inPlace := len(l.ours) == len(want)
	for i := range want {
		inPlace = inPlace && l.ours[i] == l.ours[0]+i && l.ours[i] < before && l.live[l.ours[i]].Name == want[i].name
	}
	if inPlace {
		for i := range want {
			l.settle(l.ours[i], &want[i])
		}
		return nil
	}
	values := make([]any, len(want))
	for i := range want {
		var err error
		if values[i], err = l.value(&want[i]); err != nil {
			return err
		}
	}
	l.patch.removeAt(l.path, l.ours)
	if l.live == nil && len(values) > 0 {
		l.patch.add(l.path, values)
		return nil
	}
	for i, value := range values {
		l.patch.add(l.patch.at(l.path, i), value)
	}
	return nil
}
