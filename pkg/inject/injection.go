package inject

import (
	"slices"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/rules"
	"restartrules.dev/pkg/validation"
)

// injection is one Pod on its way through Create.
type injection struct {
	opts Options
	// prev is the plan that the Pod has from before, or nil.
	prev *plan.Plan
	// live is the Pod of the request, user the same as its user wrote it.
	live, user *manifest.Pod
	// parts are all containers but the watcher, init containers first.
	parts    []part
	compiled compile.Result
	// restartAll is what the document says of restarts of the whole Pod.
	restartAll manifest.RestartAllContainers
	// restartAllRaised says that the user wrote a shorter back-off for it.
	restartAllRaised bool
	// excluded are left out of these.
	excluded map[string]bool
	// object is the live Pod with all its fields, raw its containers, once rawContainers was called.
	object []byte
	raw    *rawContainers
	// lookups are the images whose entry points have to be looked up.
	lookups []string
	// twins replay init containers, in their order.
	twins []twin
}

// part is one container.
type part struct {
	// index is where the live container is in its list.
	index      int
	live, user *manifest.Container
	planKind   string
	rules      rules.Container
	// entry is of the image, where the manifest has no command.
	entry entry
	// backoff is nil for the default; raised says that the user wrote a shorter one.
	backoff  *manifest.Backoff
	raised   bool
	compiled *compile.Container
	// onExit is the text of the shim's exit table; empty if there is no shim.
	onExit string
}

func newInjection(live, user *manifest.Pod, doc *manifest.Document, opts Options) *injection {
	inj := &injection{opts: opts, live: live, user: user, excluded: validation.Excluded(user)}
	if doc != nil && doc.RestartAllContainers != nil {
		inj.restartAll = *doc.RestartAllContainers
	}
	initContainers, containers := validation.Resolve(user, doc)
	inj.parts = make([]part, 0, len(initContainers)+len(containers))
	inj.addList(plan.KindInitContainer, live.Spec.InitContainers, user.Spec.InitContainers, initContainers)
	inj.addList(plan.KindContainer, live.Spec.Containers, user.Spec.Containers, containers)

	list := make([]rules.Container, 0, len(inj.parts))
	for i := range inj.parts {
		list = append(list, inj.parts[i].rules)
	}
	inj.compiled = compile.Compile(user.Spec.Policy(), list, compile.Options{
		Native:      opts.Native,
		Survive:     user.Metadata.Annotations[api.PreferAnnotation] == api.PreferSurvive,
		MaxRestarts: validation.DefaultMaxRestarts(user),
		Excluded:    inj.excluded,
		Probed:      inj.probed(),
	})
	for i := range inj.parts {
		p := &inj.parts[i]
		if p.compiled = &inj.compiled.Containers[i]; p.compiled.Wrapped {
			p.onExit = p.compiled.OnExit.String()
		}
	}
	inj.raiseBackoffs()
	return inj
}

// addList adds the containers of one list, with what holds for each of the user's. The user's list is
// the live one, in the same order, without the watcher if it is ours.
func (inj *injection) addList(kind string, live, user []manifest.Container, resolved []validation.Resolved) {
	next := 0
	for i := range live {
		if next == len(user) || live[i].Name != user[next].Name {
			continue
		}
		c, r := &user[next], &resolved[next]
		next++
		inj.parts = append(inj.parts, part{
			index: i, live: &live[i], user: c, planKind: kind, backoff: r.Backoff,
			rules: rules.Container{
				Name: c.Name, Kind: kindOf(kind, c), Policy: r.RestartPolicy, Rules: r.RestartPolicyRules,
				Limits: r.Limits, MaxRestarts: r.MaxRestarts,
				InPlace: r.Limits != nil || r.MaxRestarts != nil || r.Backoff != nil,
			},
		})
	}
}

func kindOf(kind string, c *manifest.Container) rules.Kind {
	switch {
	case kind == plan.KindContainer:
		return rules.Regular
	case c.IsSidecar():
		return rules.Sidecar
	default:
		return rules.Init
	}
}

// probed are the containers with probes that a restart in place concerns.
func (inj *injection) probed() (names map[string]bool) {
	for i := range inj.parts {
		if c := inj.parts[i].user; c.LivenessProbe != nil || c.StartupProbe != nil {
			if names == nil {
				names = map[string]bool{}
			}
			names[c.Name] = true
		}
	}
	return names
}

// wrapped reports whether any container is wrapped.
func (inj *injection) wrapped() bool {
	for i := range inj.parts {
		if inj.parts[i].compiled.Wrapped {
			return true
		}
	}
	return false
}

// native reports whether there are rules and the kubelet does all of them by native fields.
func (inj *injection) native() bool {
	return !inj.wrapped() && slices.ContainsFunc(inj.parts, func(p part) bool { return len(p.carried().RestartPolicyRules) > 0 })
}

// needs says what is done to the container of that name.
func (inj *injection) needs(name string) (n validation.Needs) {
	for i := range inj.parts {
		if p := &inj.parts[i]; p.user.Name == name {
			n.Wrapped = p.compiled.Wrapped
			n.WholePod = p.compiled.Member || p.compiled.Replay != nil
			n.Command, n.NoCommand = p.command(), p.entry.unknown
			for _, words := range p.entry.platforms {
				n.Command = words
			}
		}
	}
	for i := range inj.twins {
		if inj.twins[i].of.user.Name == name {
			n.Twin = inj.twins[i].name
		}
	}
	return n
}

// carried are the native fields that the container is to have.
func (p *part) carried() manifest.Rules {
	return manifest.Rules{RestartPolicy: p.compiled.Policy, RestartPolicyRules: p.compiled.Rules}
}

// nothingToDo reports whether the cluster does what the Pod says, as it stands.
func (inj *injection) nothingToDo() bool {
	for i := range inj.parts {
		if p := &inj.parts[i]; p.compiled.Wrapped || !p.carried().Equal(p.user.Rules) {
			return false
		}
	}
	return inj.compiled.Policy == inj.user.Spec.Policy()
}

// shared reports whether the Pod is to be given a shared process namespace. What it says itself in
// its spec stands; API servers refuse the field together with hostPID.
func (inj *injection) shared() bool {
	spec := &inj.user.Spec
	if spec.ShareProcessNamespace != nil || spec.HostPID {
		return false
	}
	switch inj.user.Metadata.Annotations[api.ShareProcessNamespaceAnnotation] {
	case "true":
		return true
	case "false":
		return false
	default:
		return inj.opts.ShareProcessNamespace
	}
}

// unguarded is the first container with a preStop hook that can't tell the watcher that the Pod
// ends, or nil: only exec hooks of wrapped containers can. A hook that only sleeps makes nothing
// exit.
func (inj *injection) unguarded() *manifest.Container {
	for i := range inj.parts {
		c, wrapped := inj.parts[i].user, inj.parts[i].compiled.Wrapped
		hook := c.PreStop()
		if hook == nil {
			continue
		}
		if hook.HTTPGet != nil || hook.TCPSocket != nil || hook.Exec != nil && !wrapped {
			return c
		}
	}
	return nil
}
