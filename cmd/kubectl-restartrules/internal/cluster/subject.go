package cluster

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
	"restartrules.dev/cmd/kubectl-restartrules/internal/existing"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// Pod is what there is to say of a Pod in the cluster.
func (r *Reader) Pod(ctx context.Context, namespace, name string) (check.Subject, error) {
	pod, err := r.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return check.Subject{}, err
	}
	if pod.Annotations[api.PlanAnnotation] != "" {
		s := check.Subject{Object: "Pod/" + namespace + "/" + name, Namespace: namespace, Rules: true}
		err := explainInto(&s, pod)
		return s, err
	}
	// Where it runs is no part of what was asked for.
	pod.Spec.NodeName = ""
	text, err := json.Marshal(pod)
	if err != nil {
		return check.Subject{}, err
	}
	s, err := r.Template(ctx, "Pod/"+namespace+"/"+name, namespace, text)
	s.Live = err == nil && s.Mode != existing.Native && s.Mode != existing.ByPolicy
	return s, err
}

// Template is what there is to say of a Pod or Pod template: the API server is asked to create it, in a dry run.
func (r *Reader) Template(ctx context.Context, object, namespace string, template []byte) (check.Subject, error) {
	s := check.Subject{Object: object, Namespace: namespace}
	decoded, err := manifest.DecodeTemplate(template)
	if err != nil {
		return s, fmt.Errorf("%s: %w", object, err)
	}
	s.Label, s.Rules = decoded.Metadata.Labels[api.InjectLabel], decoded.HasRules()
	if ok, err := r.mayCreate(ctx, namespace, "", "pods"); err != nil || !ok {
		r.leftOut("what becomes of "+object, "create pods in namespace "+namespace)
		s.Applied, s.Mode, s.Why = true, "not known", "it could not be asked"
		return s, err
	}
	var fields struct {
		Metadata struct{ Labels, Annotations map[string]string }
		Spec     map[string]any
	}
	if err := json.Unmarshal(template, &fields); err != nil {
		return s, fmt.Errorf("%s: %w", object, err)
	}
	pod := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": fields.Spec,
		"metadata": map[string]any{"generateName": "restartrules-check-"}}}
	pod.SetLabels(fields.Metadata.Labels)
	pod.SetAnnotations(fields.Metadata.Annotations)
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	s.Probe = &check.Probe{Webhook: "namespaces.restartrules.dev", Kind: "Pod", Namespace: namespace, Labels: fields.Metadata.Labels}
	r.warnings.list = nil
	answer, err := r.dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(namespace).
		Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err := r.answered(s.Probe, answer, err); err != nil || s.Probe.Refusal != nil {
		return s, err
	}
	created := new(corev1.Pod)
	if err := json.Unmarshal(s.Probe.Answer, created); err != nil {
		return s, fmt.Errorf("%s: read the answer: %w", object, err)
	}
	err = explainInto(&s, created)
	return s, err
}

func explainInto(s *check.Subject, pod *corev1.Pod) error {
	e, err := existing.Of(pod)
	if err != nil {
		return err
	}
	s.Mode, s.Why, s.Applied = e.Mode, e.ModeWhy, e.Mode != existing.NotApplied
	return nil
}
