package check

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/manifests"
	"restartrules.dev/pkg/api"
)

// hook is what webhooks of both kinds have.
type hook struct {
	name             string
	client           admissionregistrationv1.WebhookClientConfig
	rules            []admissionregistrationv1.RuleWithOperations
	conditions       []admissionregistrationv1.MatchCondition
	namespaces       *metav1.LabelSelector
	objects          *metav1.LabelSelector
	failure          *admissionregistrationv1.FailurePolicyType
	match            *admissionregistrationv1.MatchPolicyType
	reinvocation     *admissionregistrationv1.ReinvocationPolicyType
	timeout          *int32
	mutatesWorkloads bool
}

func mutatingHooks(c *admissionregistrationv1.MutatingWebhookConfiguration) (list []hook) {
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		list = append(list, hook{w.Name, w.ClientConfig, w.Rules, w.MatchConditions, w.NamespaceSelector, w.ObjectSelector, w.FailurePolicy,
			w.MatchPolicy, w.ReinvocationPolicy, w.TimeoutSeconds, strings.HasPrefix(w.Name, "workloads.")})
	}
	return list
}

func validatingHooks(c *admissionregistrationv1.ValidatingWebhookConfiguration) (list []hook) {
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		list = append(list, hook{w.Name, w.ClientConfig, w.Rules, w.MatchConditions, w.NamespaceSelector, w.ObjectSelector, w.FailurePolicy,
			w.MatchPolicy, nil, w.TimeoutSeconds, false})
	}
	return list
}

// configurations compares the webhook configurations with those of this release.
func (c *Cluster) configurations(r *Result) error {
	if !c.Configured {
		return nil
	}
	mutating, validating, err := manifests.Configurations()
	if err != nil {
		return err
	}
	compare := func(object string, there bool, want, got func() []hook) {
		if !there {
			r.add(edited(object, "It is not there", "no Pod is asked about there, and what is wrong is not refused"))
			return
		}
		changes, notes := compareHooks(want(), got())
		if len(changes) > 0 {
			r.add(edited(object, strings.Join(changes, "; "), "the API server asks about other Pods and workloads than the webhook expects: "+
				"rules are not applied, or Pods that have none depend on the webhook. It was edited, or is of another release than this plugin"))
		}
		for _, n := range notes {
			r.note(object + ": " + n)
		}
	}
	compare(mutatingConfiguration, c.Mutating != nil, func() []hook { return mutatingHooks(mutating) }, func() []hook { return mutatingHooks(c.Mutating) })
	compare(validatingConfiguration, c.Validating != nil, func() []hook { return validatingHooks(validating) }, func() []hook { return validatingHooks(c.Validating) })
	return nil
}

func edited(object, what, why string) Finding {
	return Finding{ConfigurationEdited, Error, object, what, why,
		"kubectl apply --server-side --force-conflicts -k manifests/overlays/self-managed    # what you installed from, or helm upgrade"}
}

// compareHooks says what keeps the webhooks from being asked as they are to be, and what is only worth a note.
func compareHooks(want, got []hook) (changes, notes []string) {
	for i := range want {
		w := &want[i]
		at := slices.IndexFunc(got, func(h hook) bool { return h.name == w.name })
		if at < 0 {
			changes = append(changes, "webhook "+w.name+" is missing")
			continue
		}
		c, n := w.compare(&got[at])
		for _, text := range c {
			changes = append(changes, "webhook "+w.name+": "+text)
		}
		for _, text := range n {
			notes = append(notes, "webhook "+w.name+": "+text)
		}
	}
	for i := range got {
		if !slices.ContainsFunc(want, func(h hook) bool { return h.name == got[i].name }) {
			notes = append(notes, "webhook "+got[i].name+" is none of this release")
		}
	}
	return changes, notes
}

func (w *hook) compare(got *hook) (changes, notes []string) {
	changed := func(format string, args ...any) { changes = append(changes, fmt.Sprintf(format, args...)) }
	for _, condition := range w.conditions {
		at := slices.IndexFunc(got.conditions, func(c admissionregistrationv1.MatchCondition) bool { return c.Name == condition.Name })
		switch {
		case at < 0:
			changed("matchConditions: %q is missing", condition.Name)
		case words(got.conditions[at].Expression) != words(condition.Expression):
			// Kinds of --pod-templates need a case of their own in the last one.
			if w.mutatesWorkloads && condition.Name == "has-template-with-rules" && len(got.rules) > len(w.rules) {
				notes = append(notes, fmt.Sprintf("matchConditions: %q is another, and there are rules for more kinds", condition.Name))
				continue
			}
			changed("matchConditions: %q has another expression", condition.Name)
		}
	}
	for _, c := range got.conditions {
		if !slices.ContainsFunc(w.conditions, func(own admissionregistrationv1.MatchCondition) bool { return own.Name == c.Name }) {
			changed("matchConditions: %q is added", c.Name)
		}
	}
	missing, more := compareRules(w.rules, got.rules)
	for _, text := range missing {
		changed("rules: nothing asks about %s", text)
	}
	if len(more) > 0 {
		if w.mutatesWorkloads {
			notes = append(notes, "rules: also asks about "+strings.Join(more, ", "))
		} else {
			changed("rules: also asks about %s", strings.Join(more, ", "))
		}
	}
	if !sameSelector(w.objects, got.objects) {
		changed("objectSelector is another")
	}
	c, n := compareNamespaces(w.namespaces, got.namespaces)
	changes, notes = append(changes, c...), append(notes, n...)
	if got.failure != nil && *got.failure != *w.failure {
		notes = append(notes, fmt.Sprintf("failurePolicy is %s: while the webhook is down Pods start without their rules, and nobody is told", *got.failure))
	}
	if got.match != nil && *got.match != *w.match {
		changed("matchPolicy is %s instead of %s", *got.match, *w.match)
	}
	if w.reinvocation != nil && got.reinvocation != nil && *got.reinvocation != *w.reinvocation {
		changed("reinvocationPolicy is %s instead of %s", *got.reinvocation, *w.reinvocation)
	}
	if got.timeout != nil && *got.timeout != *w.timeout {
		notes = append(notes, fmt.Sprintf("timeoutSeconds is %d instead of %d", *got.timeout, *w.timeout))
	}
	if s, own := got.client.Service, w.client.Service; s == nil {
		notes = append(notes, "the webhook is asked by a URL, not by its Service")
	} else if s.Name != own.Name || s.Path == nil || *s.Path != *own.Path {
		changed("clientConfig.service is %s%s instead of %s%s", s.Name, pathOf(s), own.Name, pathOf(own))
	}
	return changes, notes
}

func pathOf(s *admissionregistrationv1.ServiceReference) string {
	if s.Path == nil {
		return ""
	}
	return *s.Path
}

// words is an expression without its layout.
func words(expression string) string { return strings.Join(strings.Fields(expression), " ") }

// compareRules names the operations on resources that only one of them has.
func compareRules(want, got []admissionregistrationv1.RuleWithOperations) (missing, more []string) {
	w, g := asked(want), asked(got)
	for _, one := range w {
		if !slices.Contains(g, one) {
			missing = append(missing, one)
		}
	}
	for _, one := range g {
		if !slices.Contains(w, one) {
			more = append(more, one)
		}
	}
	return missing, more
}

func asked(rules []admissionregistrationv1.RuleWithOperations) (list []string) {
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, version := range r.APIVersions {
				for _, resource := range r.Resources {
					for _, operation := range r.Operations {
						name := strings.Trim(group+"/"+version, "/") + " " + resource
						list = append(list, fmt.Sprintf("%s of %s", operation, name))
					}
				}
			}
		}
	}
	return list
}

func sameSelector(a, b *metav1.LabelSelector) bool {
	return reflect.DeepEqual(normal(a), normal(b))
}

// normal is a selector in which only what matters differs.
func normal(s *metav1.LabelSelector) metav1.LabelSelector {
	if s == nil {
		return metav1.LabelSelector{}
	}
	n := metav1.LabelSelector{}
	if len(s.MatchLabels) > 0 {
		n.MatchLabels = s.MatchLabels
	}
	for _, e := range s.MatchExpressions {
		e.Values = slices.Sorted(slices.Values(e.Values))
		n.MatchExpressions = append(n.MatchExpressions, e)
	}
	return n
}

// compareNamespaces takes what the chart's values may make of the selector as notes: more namespaces left out, further
// conditions, and opting out in place of opting in.
func compareNamespaces(want, got *metav1.LabelSelector) (changes, notes []string) {
	if got == nil {
		got = &metav1.LabelSelector{}
	}
	rest := slices.Clone(got.MatchExpressions)
	take := func(fits func(metav1.LabelSelectorRequirement) bool) bool {
		i := slices.IndexFunc(rest, fits)
		if i >= 0 {
			rest = slices.Delete(rest, i, i+1)
		}
		return i >= 0
	}
	for _, e := range want.MatchExpressions {
		same := func(g metav1.LabelSelectorRequirement) bool {
			return sameSelector(&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}}, &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{g}})
		}
		byOptingOut := metav1.LabelSelectorRequirement{Key: e.Key, Operator: metav1.LabelSelectorOpNotIn, Values: []string{api.InjectDisabled}}
		if e.Operator == metav1.LabelSelectorOpNotIn {
			byOptingOut.Operator = metav1.LabelSelectorOpIn
		}
		switch {
		case take(same):
		case e.Key == namespaceNameLabel && take(func(g metav1.LabelSelectorRequirement) bool {
			return g.Key == e.Key && g.Operator == e.Operator && !slices.ContainsFunc(e.Values, func(v string) bool { return !slices.Contains(g.Values, v) })
		}):
			notes = append(notes, "namespaceSelector: more namespaces are never asked about")
		case e.Key == api.InjectLabel && take(func(g metav1.LabelSelectorRequirement) bool { return reflect.DeepEqual(g, byOptingOut) }):
			notes = append(notes, "namespaceSelector: namespaces are in unless they opt out")
		default:
			changes = append(changes, fmt.Sprintf("namespaceSelector: %s %s [%s] is missing", e.Key, e.Operator, strings.Join(e.Values, ", ")))
		}
	}
	if len(rest) > 0 || len(got.MatchLabels) > 0 {
		notes = append(notes, "namespaceSelector: there are further conditions")
	}
	return changes, notes
}
