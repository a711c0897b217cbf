package check

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"restartrules.dev/pkg/api"
)

// Judge finds what is wrong with an installation, and what becomes of these Pods.
func Judge(c *Cluster, subjects ...Subject) (*Result, error) {
	r := &Result{Notes: c.Notes, LeftOut: c.LeftOut}
	if c.Configured && c.Mutating == nil && c.Validating == nil && c.Deployment == nil {
		r.add(Finding{NotInstalled, Error, "MutatingWebhookConfiguration/" + Name, "There is no installation",
			"the API server asks no webhook of ours, so restart rules are applied to no Pod",
			"kubectl restartrules check --pre && kubectl apply --server-side -k manifests/overlays/self-managed"})
		return r.finish(), nil
	}
	if err := c.configurations(r); err != nil {
		return nil, err
	}
	c.namespaces(r)
	c.certificate(r)
	c.webhook(r)
	c.probes(r)
	c.injected(r)
	c.nodes(r)
	for i := range subjects {
		c.subject(r, &subjects[i])
	}
	return r.finish(), nil
}

// optsIn reports whether the API server asks about Pods in a namespace with these labels: the live configuration
// tells, else the label.
func (c *Cluster) optsIn(of map[string]string) bool {
	if c.Mutating != nil {
		for i := range c.Mutating.Webhooks {
			if w := &c.Mutating.Webhooks[i]; w.Name == forNamespaces {
				return matches(w.NamespaceSelector, of)
			}
		}
	}
	return of[api.InjectLabel] == api.InjectEnabled
}

// OptsIn reports whether the API server asks about the Pods in a namespace.
func (c *Cluster) OptsIn(namespace string) bool {
	for i := range c.Namespaces {
		if c.Namespaces[i].Name == namespace {
			return c.optsIn(namespaceLabels(&c.Namespaces[i].ObjectMeta))
		}
	}
	return false
}

// System is the namespace of the installation.
func (c *Cluster) System() string {
	var hooks []hook
	if c.Mutating != nil {
		hooks = mutatingHooks(c.Mutating)
	}
	for i := range hooks {
		if service := hooks[i].client.Service; service != nil {
			return service.Namespace
		}
	}
	return SystemNamespace
}

// Names of our webhooks.
const (
	forNamespaces           = "namespaces.restartrules.dev"
	forPods                 = "pods.restartrules.dev"
	forWorkloads            = "workloads.namespaces.restartrules.dev"
	forLabelledWorkloads    = "workloads.restartrules.dev"
	namespaceNameLabel      = "kubernetes.io/metadata.name"
	mutatingConfiguration   = "MutatingWebhookConfiguration/" + Name
	validatingConfiguration = "ValidatingWebhookConfiguration/" + Name
)

// namespaceLabels are the labels of a namespace, with the one that API servers set.
func namespaceLabels(meta *metav1.ObjectMeta) map[string]string {
	all := map[string]string{namespaceNameLabel: meta.Name}
	for key, value := range meta.Labels {
		all[key] = value
	}
	return all
}

// matches is a label selector's answer; a nil selector in a webhook matches everything.
func matches(selector *metav1.LabelSelector, of map[string]string) bool {
	if selector == nil {
		return true
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(of))
}

// counted is a number and what it counts.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
