package check

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
)

// namespaces finds namespaces, Pods and workloads whose rules nobody applies because of a label.
func (c *Cluster) namespaces(r *Result) {
	users := map[string][]*User{}
	for i := range c.Users {
		u := &c.Users[i]
		users[u.Namespace] = append(users[u.Namespace], u)
	}
	opted := 0
	for i := range c.Namespaces {
		n := &c.Namespaces[i]
		if n.Status.Phase == corev1.NamespaceTerminating {
			continue
		}
		in := c.optsIn(namespaceLabels(&n.ObjectMeta))
		value, labelled := n.Labels[api.InjectLabel]
		switch {
		case in:
			opted++
		case labelled && value != api.InjectDisabled && value != api.InjectEnabled:
			r.add(Finding{WrongLabel, Error, "Namespace/" + n.Name,
				fmt.Sprintf("The label %s has the value %q", api.InjectLabel, value),
				fmt.Sprintf("only %q opts a namespace in, so no restart rules are applied in it", api.InjectEnabled),
				fmt.Sprintf("kubectl label namespace %s %s=%s --overwrite", n.Name, api.InjectLabel, api.InjectEnabled)})
		case !labelled && c.canOptIn(n.Name, n.Labels):
			if waiting := c.waiting(users[n.Name]); len(waiting) > 0 {
				r.add(notOptedIn(n.Name, waiting))
			}
		}
		for _, u := range users[n.Name] {
			if u.Label != "" && u.Label != api.InjectEnabled && u.Label != api.InjectDisabled {
				r.add(u.wrongLabel())
			}
		}
	}
	if len(c.Namespaces) > 1 && opted == 0 {
		r.note("No namespace has opted in: kubectl label namespace NAME " + api.InjectLabel + "=" + api.InjectEnabled)
	}
}

// canOptIn reports whether the label would make a difference: some namespaces are never asked about.
func (c *Cluster) canOptIn(name string, has map[string]string) bool {
	with := map[string]string{}
	for key, value := range has {
		with[key] = value
	}
	with[namespaceNameLabel], with[api.InjectLabel] = name, api.InjectEnabled
	return c.optsIn(with) && name != c.System()
}

// waiting are users whose rules nobody applies: not those that opt in or out themselves, and not native fields where
// the whole cluster acts on them.
func (c *Cluster) waiting(users []*User) (list []*User) {
	nodes, _ := c.everyNode()
	native := c.Native != nil && c.Native.Restart && nodes.Restart
	for _, u := range users {
		if u.Label == "" && !u.Injected && (u.Annotated || u.Native && !native) {
			list = append(list, u)
		}
	}
	return list
}

func notOptedIn(namespace string, waiting []*User) Finding {
	const shown = 3
	var names []string
	for _, u := range waiting[:min(shown, len(waiting))] {
		names = append(names, u.Kind+"/"+u.Name)
	}
	if more := len(waiting) - shown; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return Finding{NotOptedIn, Error, "Namespace/" + namespace,
		fmt.Sprintf("It has %s with restart rules (%s), and no label %s", counted(len(waiting), "object"), strings.Join(names, ", "), api.InjectLabel),
		"the API server does not ask about Pods there, so these rules are not applied. Pods that run are not changed by the label: create them anew",
		fmt.Sprintf("kubectl label namespace %s %s=%s", namespace, api.InjectLabel, api.InjectEnabled)}
}

func (u *User) wrongLabel() Finding {
	fix := fmt.Sprintf("kubectl -n %s label %s %s %s=%s --overwrite", u.Namespace, strings.ToLower(u.Kind), u.Name, api.InjectLabel, api.InjectEnabled)
	if u.Kind != "Pod" {
		fix = fmt.Sprintf("kubectl -n %s edit %s %s    # in the Pod template: %s: %s", u.Namespace, strings.ToLower(u.Kind), u.Name, api.InjectLabel, api.InjectEnabled)
	}
	return Finding{WrongLabel, Error, u.Object(), fmt.Sprintf("The label %s of the Pod has the value %q", api.InjectLabel, u.Label),
		fmt.Sprintf("only %q opts a Pod in, and only %q opts it out. Pods that run are not changed by the label: create them anew", api.InjectEnabled, api.InjectDisabled), fix}
}

// featureNames are in the order of compile.Features.
func featureNames(f compile.Features) (names []string) {
	if f.Restart {
		names = append(names, compile.RestartFeature)
	}
	if f.RestartAll {
		names = append(names, compile.RestartAllFeature)
	}
	return names
}
