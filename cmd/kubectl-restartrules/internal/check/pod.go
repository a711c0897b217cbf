package check

import (
	"fmt"
	"strings"

	"restartrules.dev/pkg/api"
)

// Subject is a Pod that somebody wants to know about: one that is there, or one that a manifest or a workload makes.
type Subject struct {
	// Object is how it is called.
	Object    string
	Namespace string
	// Label is the Pod's own that opts in or out, Rules says whether it has restart rules.
	Label string
	Rules bool
	// Mode and Why are what package existing says of it: as it is, if it was injected, else as a dry run made it.
	Mode, Why string
	// Applied says that somebody acts on its rules, or that it has none.
	Applied bool
	// Live says that the Pod is there, and was not injected: Mode is what it would become if it was created anew.
	Live bool
	// Probe is the dry run; nil if there was none.
	Probe *Probe
}

// subject says what becomes of a Pod, and why not what its rules say.
func (c *Cluster) subject(r *Result, s *Subject) {
	if s.Probe != nil {
		for _, w := range s.Probe.Warnings {
			r.note(s.Object + ": the API server warns: " + w)
		}
		if s.Probe.Refusal != nil {
			c.refused(r, s)
			return
		}
	}
	switch {
	case !s.Rules:
		r.note(s.Object + " has no restart rules: the kubelet follows its restartPolicy")
	case s.Label == api.InjectDisabled:
		r.add(Finding{OptedOut, Warning, s.Object, fmt.Sprintf("It has restart rules, and the label %s: %s", api.InjectLabel, api.InjectDisabled),
			"the label keeps Restart Rules away: the rules are not applied",
			fmt.Sprintf("kubectl -n %s label %s %s-    # in a manifest: remove it, then create the Pod anew", s.Namespace, command(s.Object), api.InjectLabel)})
	case s.Live && s.Applied:
		r.add(Finding{NotApplied, Error, s.Object, "It has restart rules, and was created without Restart Rules being asked",
			"created anew it would be " + s.Mode + ": " + s.Why,
			fmt.Sprintf("kubectl -n %s delete %s    # and create it again; what a workload makes comes back by itself", s.Namespace, command(s.Object))})
	case s.Applied:
		r.note(fmt.Sprintf("%s: %s: %s", s.Object, s.Mode, s.Why))
	case r.has(NotInstalled, NotOptedIn, WrongLabel, ConfigurationEdited, PatchStripped, WebhookDown, WrongCABundle, CertificateTime):
		r.note(s.Object + ": its restart rules are not applied, for the reason found above")
	case !c.OptsIn(s.Namespace) && s.Label != api.InjectEnabled:
		r.add(Finding{NotOptedIn, Error, s.Object, fmt.Sprintf("It has restart rules, and neither its namespace nor itself has the label %s: %s", api.InjectLabel, api.InjectEnabled),
			"the API server does not ask about Pods there, so these rules are not applied",
			fmt.Sprintf("kubectl label namespace %s %s=%s", s.Namespace, api.InjectLabel, api.InjectEnabled)})
	default:
		r.add(Finding{NotApplied, Error, s.Object, "Its restart rules are not applied", s.Why,
			"kubectl -n " + c.System() + " logs deployment/" + WebhookName + " --tail=20"})
	}
}

// refused is a Pod that the API server does not take.
func (c *Cluster) refused(r *Result, s *Subject) {
	message := s.Probe.Refusal.Message
	switch {
	case s.Probe.Unreachable():
		if !r.has(CertificateTime, WrongCABundle, WebhookDown) {
			by, why := s.Probe.failure()
			c.failed(r, s.Probe, by, why)
		}
	case strings.Contains(message, `.restartrules.dev" denied the request`) || strings.Contains(message, "restart"):
		r.add(Finding{RulesInvalid, Error, s.Object, "Restart Rules refuses it" + said(message), "the rules can't be carried out as they are written",
			"kubectl restartrules validate -f FILE    # with the line of each error"})
	default:
		r.add(Finding{RefusedByOther, Error, s.Object, "The API server refuses it, for a reason that has nothing to do with restart rules" + said(message),
			"it would not be created with or without them", "kubectl create --dry-run=server -f FILE"})
	}
}

// command is an object as kubectl takes it, "pod NAME"; of a Pod template the object that has it.
func command(object string) string {
	object, _, _ = strings.Cut(object, ": ")
	parts := strings.Split(object, "/")
	return strings.ToLower(parts[0]) + " " + parts[len(parts)-1]
}
