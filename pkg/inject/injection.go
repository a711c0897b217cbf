package inject

import (
	"encoding/json"
	"fmt"

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
	// live is the Pod of the request, user the same as its user wrote it.
	live, user *manifest.Pod
	// parts are all containers but the watcher, init containers first.
	parts    []part
	compiled compile.Result
}

// part is one container.
type part struct {
	// path is the JSON pointer of the live container.
	path       string
	live, user *manifest.Container
	planKind   string
	rules      rules.Container
	// backoff is nil for the default.
	backoff  *manifest.Backoff
	compiled *compile.Container
}

func newInjection(live, user *manifest.Pod, doc *manifest.Document, opts Options) *injection {
	if doc == nil {
		doc = new(manifest.Document)
	}
	inj := &injection{opts: opts, live: live, user: user}
	inj.addList(plan.KindInitContainer, live.Spec.InitContainers, user.Spec.InitContainers, doc.InitContainer)
	inj.addList(plan.KindContainer, live.Spec.Containers, user.Spec.Containers, doc.Container)

	var list []rules.Container
	for i := range inj.parts {
		list = append(list, inj.parts[i].rules)
	}
	inj.compiled = compile.Compile(user.Spec.Policy(), list)
	for i := range inj.parts {
		inj.parts[i].compiled = &inj.compiled.Containers[i]
	}
	return inj
}

// addList adds the containers of one list. The user's list is the live one, in the same order,
// without the watcher if it is ours.
func (inj *injection) addList(kind string, live, user []manifest.Container, entry func(name string) *manifest.DocumentContainer) {
	path := "/spec/" + kind + "s"
	next := 0
	for i := range live {
		if next == len(user) || live[i].Name != user[next].Name {
			continue
		}
		c := &user[next]
		next++
		declared := validation.Effective(c.Rules, entry(c.Name))
		p := part{path: at(path, i), live: &live[i], user: c, planKind: kind,
			rules: rules.Container{Name: c.Name, Kind: kindOf(kind, c), Policy: declared.RestartPolicy, Rules: declared.RestartPolicyRules}}
		if e := entry(c.Name); e != nil && e.Backoff != nil && *e.Backoff != manifest.DefaultBackoff {
			p.backoff = e.Backoff
		}
		inj.parts = append(inj.parts, p)
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

// wrapped reports whether any container is wrapped.
func (inj *injection) wrapped() bool {
	for i := range inj.parts {
		if inj.parts[i].compiled.Wrapped {
			return true
		}
	}
	return false
}

// wraps reports whether the container of that name is wrapped.
func (inj *injection) wraps(name string) bool {
	for i := range inj.parts {
		if inj.parts[i].user.Name == name {
			return inj.parts[i].compiled.Wrapped
		}
	}
	return false
}

// plan is the plan's text.
func (inj *injection) plan() (string, error) {
	p := plan.Plan{
		Version:       plan.Version,
		RestartPolicy: plan.RestartPolicy{Own: string(inj.user.Spec.Policy()), Compiled: string(inj.compiled.Policy)},
	}
	for i := range inj.parts {
		part := &inj.parts[i]
		c := plan.Container{Name: part.user.Name, Kind: part.planKind, Wrapped: part.compiled.Wrapped, Why: part.compiled.Why}
		if c.Wrapped {
			c.OnExit = part.compiled.OnExit.String()
			if part.backoff != nil {
				c.Backoff = part.backoff.String()
			}
		}
		if part.rules.Kind != rules.Sidecar && !part.user.Rules.IsZero() {
			declared, err := json.Marshal(part.user.Rules)
			if err != nil {
				return "", fmt.Errorf("container %q: record its restart rules: %w", part.user.Name, err)
			}
			c.Declared = declared
		}
		p.Containers = append(p.Containers, c)
	}
	return p.Encode()
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
