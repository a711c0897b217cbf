package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
	"restartrules.dev/cmd/kubectl-restartrules/internal/source"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/native"
)

// ReadBefore reads what an installation is decided by.
func (r *Reader) ReadBefore(ctx context.Context) (*check.Before, error) {
	for _, step := range []func(context.Context) error{r.version, r.nodes, r.namespaces} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	b := &check.Before{Version: r.c.Version, Nodes: r.c.Nodes, Refused: map[string]string{}}
	for _, step := range []func(context.Context, *check.Before) error{r.rights, r.features, r.conditions, r.certManager, r.refusals} {
		if err := step(ctx, b); err != nil {
			return nil, err
		}
	}
	_, err := r.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, check.Name, metav1.GetOptions{})
	b.Installed = err == nil
	b.LeftOut = r.c.LeftOut
	return b, nil
}

// rights are those that manifests/overlays/self-managed takes.
func (r *Reader) rights(ctx context.Context, b *check.Before) error {
	for _, what := range []authorizationv1.ResourceAttributes{
		{Resource: "namespaces"},
		{Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations"},
		{Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations"},
		{Group: "rbac.authorization.k8s.io", Resource: "clusterroles"},
		{Group: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"},
		{Group: "rbac.authorization.k8s.io", Resource: "roles", Namespace: check.SystemNamespace},
		{Group: "rbac.authorization.k8s.io", Resource: "rolebindings", Namespace: check.SystemNamespace},
		{Group: "apps", Resource: "deployments", Namespace: check.SystemNamespace},
		{Resource: "services", Namespace: check.SystemNamespace},
		{Resource: "serviceaccounts", Namespace: check.SystemNamespace},
		{Resource: "secrets", Namespace: check.SystemNamespace},
	} {
		what.Verb = "create"
		ok, err := r.allowed(ctx, what)
		if err != nil {
			return err
		}
		if !ok {
			b.MissingRights = append(b.MissingRights, rightName(what))
		}
	}
	return nil
}

func rightName(what authorizationv1.ResourceAttributes) string {
	text := what.Verb + " " + what.Resource
	if what.Group != "" {
		text += "." + what.Group
	}
	if what.Namespace != "" {
		text += " in namespace " + what.Namespace
	}
	return text
}

// features asks by dry runs of Pods whether there are native sidecars, and which restart rules are native.
func (r *Reader) features(ctx context.Context, b *check.Before) error {
	namespace := r.outside()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	what, needs := "what the API server keeps of a Pod", "create pods in namespace "+namespace
	if ok, err := r.mayCreate(ctx, namespace, "", "pods"); err != nil || !ok {
		r.leftOut(what, needs)
		return err
	}
	has, err := native.Ask(ctx, r.client, namespace)
	if err != nil {
		r.c.LeftOut = append(r.c.LeftOut, check.LeftOut{Check: what, Because: err.Error()})
		return nil
	}
	b.Native = &has
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "restartrules-check-"}, Spec: probeSpec()}
	sidecar := *pod.Spec.Containers[0].DeepCopy()
	sidecar.Name, sidecar.RestartPolicy = "sidecar", new(corev1.ContainerRestartPolicyAlways)
	pod.Spec.InitContainers = []corev1.Container{sidecar}
	answer, err := r.client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationIgnore})
	if err != nil {
		r.c.LeftOut = append(r.c.LeftOut, check.LeftOut{Check: "whether there are native sidecars", Because: err.Error()})
		return nil
	}
	kept := len(answer.Spec.InitContainers) > 0
	if kept {
		last := answer.Spec.InitContainers[len(answer.Spec.InitContainers)-1]
		kept = last.RestartPolicy != nil
	}
	b.Sidecars = &kept
	return nil
}

// conditions asks by a dry run whether webhooks have matchConditions.
func (r *Reader) conditions(ctx context.Context, b *check.Before) error {
	what := authorizationv1.ResourceAttributes{Verb: "create", Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations"}
	if ok, err := r.allowed(ctx, what); err != nil || !ok {
		return err // rights has it
	}
	none, url := admissionregistrationv1.SideEffectClassNone, "https://never.invalid"
	answer, err := r.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "restartrules-check-"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: "check.restartrules.dev", SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
			ClientConfig:    admissionregistrationv1.WebhookClientConfig{URL: &url},
			MatchConditions: []admissionregistrationv1.MatchCondition{{Name: "never", Expression: "false"}}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationIgnore})
	if err != nil {
		r.c.LeftOut = append(r.c.LeftOut, check.LeftOut{Check: "whether webhooks have matchConditions", Because: err.Error()})
		return nil
	}
	kept := len(answer.Webhooks) > 0 && len(answer.Webhooks[0].MatchConditions) > 0
	b.Conditions = &kept
	return nil
}

// certManager asks by a dry run whether cert-manager is there, and answers.
func (r *Reader) certManager(ctx context.Context, b *check.Before) error {
	issuers := schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1", Resource: "issuers"}
	resources, err := r.client.Discovery().ServerResourcesForGroupVersion(issuers.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask which resources there are: %w", err)
	}
	b.CertManager = len(resources.APIResources) > 0
	_, err = r.dynamic.Resource(issuers).Namespace(metav1.NamespaceDefault).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": map[string]any{"generateName": "restartrules-check-"},
		"spec": map[string]any{"selfSigned": map[string]any{}},
	}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case apierrors.IsForbidden(err):
		r.leftOut("whether cert-manager answers", "create issuers.cert-manager.io in namespace "+metav1.NamespaceDefault)
	case err != nil:
		b.CertManagerError = err.Error()
	}
	return nil
}

// refusals tries in each namespace, up to some, whether an injected Pod could be created.
func (r *Reader) refusals(ctx context.Context, b *check.Before) error {
	tried := 0
	for i := range r.c.Namespaces {
		n := &r.c.Namespaces[i]
		if n.Status.Phase == corev1.NamespaceTerminating || (r.namespace == "" && (strings.HasPrefix(n.Name, "kube-") || n.Name == check.SystemNamespace)) {
			continue
		}
		if tried++; tried > probed {
			r.c.Notes = append(r.c.Notes, fmt.Sprintf("Only %d namespaces were asked whether they take injected Pods", probed))
			return nil
		}
		if ok, err := r.mayCreate(ctx, n.Name, "", "pods"); err != nil || !ok {
			r.leftOut("whether namespace "+n.Name+" takes injected Pods", "create pods in namespace "+n.Name)
			if err != nil {
				return err
			}
			continue
		}
		if err := r.takesInjected(ctx, n.Name, b); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) takesInjected(ctx context.Context, namespace string, b *check.Before) error {
	plain := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{GenerateName: "restartrules-check-", Namespace: namespace}, Spec: probeSpec()}
	plain.Spec.RestartPolicy = corev1.RestartPolicyNever
	injected, err := injectedFrom(plain)
	if err != nil {
		return err
	}
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	_, err = r.client.CoreV1().Pods(namespace).Create(ctx, injected, options)
	if err == nil {
		return nil
	}
	if _, plainErr := r.client.CoreV1().Pods(namespace).Create(ctx, plain, options); plainErr == nil {
		b.Refused[namespace] = err.Error()
	}
	return nil
}

// injectedFrom is the Pod with what the webhook would put in.
func injectedFrom(plain *corev1.Pod) (*corev1.Pod, error) {
	pod := plain.DeepCopy()
	pod.Annotations = map[string]string{api.RulesAnnotation: probeRules}
	text, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	result, err := inject.Create(text, inject.Options{Image: "never.invalid/pulled", ShareProcessNamespace: true, ReadinessPort: inject.DefaultReadinessPort})
	if err != nil {
		return nil, err
	}
	if text, err = source.Apply(text, result.Patch); err != nil {
		return nil, err
	}
	injected := new(corev1.Pod)
	return injected, json.Unmarshal(text, injected)
}
