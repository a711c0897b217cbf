package check

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
)

// probes judges what has become of the objects of dry runs.
func (c *Cluster) probes(r *Result) {
	for i := range c.Probes {
		p := &c.Probes[i]
		switch by, why := p.failure(); {
		case p.Refusal == nil && p.Kind == "Pod":
			c.answered(r, p)
		case p.Refusal == nil:
		case by != "":
			c.failed(r, p, by, why)
		case p.denied():
			if !r.has(ConfigurationEdited) {
				r.add(c.stripped(p, "A Pod that only says rules is refused by Restart Rules"+said(p.Refusal.Message)))
			}
		default:
			r.LeftOut = append(r.LeftOut, LeftOut{Check: "what becomes of a " + p.Kind + " in namespace " + p.Namespace,
				Because: "the dry run was refused" + said(p.Refusal.Message)})
		}
	}
}

// callFailed is how the API server says that a webhook did not answer (upstream: apiserver
// pkg/admission/plugin/webhook/mutating/dispatcher.go and apiserver pkg/util/webhook/error.go): the reason of the
// status is InternalError, whatever the cause, so the text is all there is.
const callFailed = `failed calling webhook "`

// failure is the name of the webhook of ours that the API server could not ask, and why; empty if that is not what
// happened.
func (p *Probe) failure() (webhook, why string) {
	if p.Refusal == nil {
		return "", ""
	}
	_, rest, found := strings.Cut(p.Refusal.Message, callFailed)
	webhook, why, ok := strings.Cut(rest, `": `)
	if !found || !ok || !slices.Contains([]string{forNamespaces, forPods, forWorkloads, forLabelledWorkloads}, webhook) {
		return "", ""
	}
	return webhook, why
}

// denied reports whether our validation found that the object is not as we left it. Other refusals of ours are those of
// the installation's configuration.
func (p *Probe) denied() bool { return strings.Contains(p.Refusal.Message, inject.AgainstPlan) }

// failed is what keeps the API server from asking, if nothing else has told yet.
func (c *Cluster) failed(r *Result, p *Probe, by, why string) {
	object := mutatingConfiguration
	switch {
	case strings.Contains(why, "certificate has expired or is not yet valid"):
		if !r.has(CertificateTime) {
			known := c.Certificate
			if known == nil {
				known = &Certificate{Namespace: c.System(), Secret: SecretName}
			}
			r.add(Finding{CertificateTime, Error, object, "The API server finds the webhook's certificate expired, or not valid yet" + said(why),
				"Pods and workloads with restart rules are refused", known.renew()})
		}
	case strings.Contains(why, "x509: ") || strings.Contains(why, "tls: "):
		if !r.has(WrongCABundle) {
			r.add(c.wrongBundle(object, fmt.Sprintf("The API server does not trust what answers for webhook %s%s", by, said(why))))
		}
	case !r.has(WebhookDown):
		r.add(down("Deployment/"+c.System()+"/"+WebhookName, "The API server can't reach the webhook"+said(why),
			fmt.Sprintf("kubectl -n %s get deployment,pods,endpointslices,networkpolicies    # the control plane must reach port 9443 of the Pods", c.System())))
	}
}

// answered judges a Pod of a dry run that was to be injected.
func (c *Cluster) answered(r *Result, p *Probe) {
	if slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.HasPrefix(w, "Restart Rules only observes") }) {
		r.note("The webhook only observes (--mode=observe): restart rules are not applied")
		return
	}
	// What is found already explains it.
	if r.has(NotInstalled, CertificateTime, WrongCABundle, WebhookDown, ConfigurationEdited) {
		return
	}
	pod, err := manifest.DecodePod(p.Answer)
	if err != nil {
		r.LeftOut = append(r.LeftOut, LeftOut{Check: "what becomes of a Pod", Because: err.Error()})
		return
	}
	text := pod.Metadata.Annotations[api.PlanAnnotation]
	if text == "" && c.Mutating == nil && c.Deployment == nil {
		r.LeftOut = append(r.LeftOut, LeftOut{Check: "why a Pod with restart rules is not injected in namespace " + p.Namespace,
			Because: "whether Restart Rules is installed may not be read"})
		return
	}
	if text == "" {
		r.add(c.stripped(p, "A Pod with restart rules comes back without plan and watcher from a dry run"))
		return
	}
	if decoded, err := plan.Decode(text); err != nil || len(decoded.Wrapped()) == 0 {
		r.add(c.stripped(p, "A Pod with restart rules comes back with a plan that wraps none of its containers"))
		return
	}
	if errs, err := inject.Check(p.Answer); err == nil && len(errs) > 0 {
		r.add(c.stripped(p, fmt.Sprintf("A Pod with restart rules comes back with other containers than its plan says%s", said(errs[0].Error()))))
	}
}

func (c *Cluster) stripped(p *Probe, what string) Finding {
	suspects := c.suspects(p)
	f := Finding{PatchStripped, Error, "Namespace/" + p.Namespace, what,
		"another mutating webhook or policy changes Pods after Restart Rules has seen them for the last time, so their rules are not applied",
		"kubectl get mutatingwebhookconfigurations,mutatingadmissionpolicies"}
	if len(suspects) > 0 {
		f.Why += "; the webhooks that are asked about such Pods, the likeliest first: " + strings.Join(suspects, ", ")
		name, _, _ := strings.Cut(suspects[0], " ")
		f.Fix = fmt.Sprintf("kubectl edit mutatingwebhookconfiguration %s    # have it leave Pods with the label %s alone, or set its reinvocationPolicy to Never", name, api.ModeLabel)
	}
	return f
}

// suspects are the configurations of other mutating webhooks that are asked about the probe: those first that have the
// last word.
func (c *Cluster) suspects(p *Probe) []string {
	var last, first []string
	for i := range c.Others {
		o := &c.Others[i]
		for j := range o.Webhooks {
			w := &o.Webhooks[j]
			if !c.asks(w, p) {
				continue
			}
			name := fmt.Sprintf("%s (webhook %s)", o.Name, w.Name)
			if o.Name > Name || w.ReinvocationPolicy != nil && *w.ReinvocationPolicy == admissionregistrationv1.IfNeededReinvocationPolicy {
				last = append(last, name)
			} else {
				first = append(first, name)
			}
			break
		}
	}
	return append(last, first...)
}

// asks reports whether the API server asks a webhook about the probe, but for matchConditions.
func (c *Cluster) asks(w *admissionregistrationv1.MutatingWebhook, p *Probe) bool {
	var of *metav1.ObjectMeta
	for i := range c.Namespaces {
		if c.Namespaces[i].Name == p.Namespace {
			of = &c.Namespaces[i].ObjectMeta
		}
	}
	if of != nil && !matches(w.NamespaceSelector, namespaceLabels(of)) {
		return false
	}
	with := map[string]string{api.ModeLabel: api.ModeEmulated}
	for key, value := range p.Labels {
		with[key] = value
	}
	if !matches(w.ObjectSelector, with) {
		return false
	}
	return slices.ContainsFunc(w.Rules, func(r admissionregistrationv1.RuleWithOperations) bool {
		is := func(list []string, value string) bool {
			return slices.Contains(list, value) || slices.Contains(list, "*")
		}
		return is(r.APIGroups, "") && is(r.APIVersions, "v1") && (is(r.Resources, "pods") || slices.Contains(r.Resources, "*/*")) &&
			(slices.Contains(r.Operations, admissionregistrationv1.Create) || slices.Contains(r.Operations, admissionregistrationv1.OperationAll))
	})
}

// kindOf is the resource of an object as a finding names it, for a command.
func kindOf(object string) string {
	kind, _, _ := strings.Cut(object, "/")
	return strings.ToLower(kind)
}

// Unreachable reports whether the API server could not ask one of our webhooks.
func (p *Probe) Unreachable() bool {
	webhook, _ := p.failure()
	return webhook != ""
}
