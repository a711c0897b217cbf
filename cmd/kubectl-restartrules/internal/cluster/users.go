package cluster

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/workload"
)

// pods reads the Pods that were injected, and those that use restart rules.
func (r *Reader) pods(ctx context.Context) error {
	err := pages(func(options metav1.ListOptions) (string, error) {
		page, err := r.client.CoreV1().Pods(r.namespace).List(ctx, options)
		if err != nil {
			return "", err
		}
		for i := range page.Items {
			r.pod(&page.Items[i])
		}
		return page.Continue, nil
	}, func() { r.c.Pods, r.c.Users = nil, nil })
	return r.may(err, "Pods with restart rules, and whether their watchers start and are heard of", "list pods"+r.where())
}

func (r *Reader) pod(pod *corev1.Pod) {
	injected := pod.Annotations[api.PlanAnnotation] != ""
	if injected {
		r.c.Pods = append(r.c.Pods, *pod)
	}
	u := check.User{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, Label: pod.Labels[api.InjectLabel], Injected: injected,
		Annotated: pod.Annotations[api.RulesAnnotation] != "" || pod.Annotations[api.LiftedRulesAnnotation] != "",
		Native:    hasNative(&pod.Spec)}
	over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if !over && !controlled(pod) && (u.Annotated || u.Native || u.Label != "") {
		r.c.Users = append(r.c.Users, u)
	}
}

// hasNative reports whether a Pod has native fields; a sidecar's restartPolicy alone is none.
func hasNative(spec *corev1.PodSpec) bool {
	for i := range spec.Containers {
		if c := &spec.Containers[i]; c.RestartPolicy != nil || len(c.RestartPolicyRules) > 0 {
			return true
		}
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		if len(c.RestartPolicyRules) > 0 || c.RestartPolicy != nil && *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			return true
		}
	}
	return false
}

// controlled reports whether a workload of a kind that is looked at made the object.
func controlled(object metav1.Object) bool {
	owner := metav1.GetControllerOf(object)
	if owner == nil {
		return false
	}
	_, known := workload.KindOf(owner.APIVersion, owner.Kind)
	return known
}

// workloads reads the workloads whose Pod templates use restart rules.
func (r *Reader) workloads(ctx context.Context) error {
	for _, kind := range workload.BuiltIn() {
		resource := r.dynamic.Resource(schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: kind.Resource})
		before := len(r.c.Users)
		err := pages(func(options metav1.ListOptions) (string, error) {
			page, err := resource.Namespace(r.namespace).List(ctx, options)
			if err != nil {
				return "", err
			}
			for i := range page.Items {
				r.workload(&page.Items[i], kind)
			}
			return page.GetContinue(), nil
		}, func() { r.c.Users = r.c.Users[:before] })
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) && !r.serves(kind) {
			continue // the kind is not installed
		}
		group := ""
		if kind.Group != "" {
			group = "." + kind.Group
		}
		if err := r.may(err, kind.Resource+" with restart rules", "list "+kind.Resource+group+r.where()); err != nil {
			return err
		}
	}
	return nil
}

// serves reports whether the API server has a kind; everybody may ask that.
func (r *Reader) serves(kind workload.Kind) bool {
	list, err := r.client.Discovery().ServerResourcesForGroupVersion(schema.GroupVersion{Group: kind.Group, Version: kind.Version}.String())
	return err != nil && !apierrors.IsNotFound(err) || err == nil && slices.ContainsFunc(list.APIResources, func(a metav1.APIResource) bool { return a.Name == kind.Resource })
}

func (r *Reader) workload(object *unstructured.Unstructured, kind workload.Kind) {
	if controlled(object) {
		return
	}
	text, err := object.MarshalJSON()
	if err != nil {
		return // what came as JSON is JSON
	}
	templates, err := workload.Templates(text, kind)
	if err != nil {
		return // not of the form that the kind has in this release
	}
	u := check.User{Kind: object.GetKind(), Namespace: object.GetNamespace(), Name: object.GetName()}
	for i := range templates {
		pod, err := manifest.DecodeTemplate(templates[i].JSON)
		if err != nil {
			continue
		}
		if label := pod.Metadata.Labels[api.InjectLabel]; label != "" {
			u.Label = label
		}
		annotated := pod.Metadata.Annotations[api.RulesAnnotation] != "" || pod.Metadata.Annotations[api.LiftedRulesAnnotation] != ""
		u.Annotated = u.Annotated || annotated
		u.Native = u.Native || pod.HasRules() && !annotated
	}
	if u.Annotated || u.Native || u.Label != "" {
		r.c.Users = append(r.c.Users, u)
	}
}
