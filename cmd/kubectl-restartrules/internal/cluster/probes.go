package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/native"
)

const (
	// probed is how many namespaces that opted in are tried: a webhook may be there for some only.
	probed = 20
	// answerWithin bounds one dry run: webhooks may take their time.
	answerWithin = 40 * time.Second

	probeRules = `{"containers":{"probe":{"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]}}}`
)

// native finds out what the API server takes, where no webhook of ours answers.
func (r *Reader) native(ctx context.Context) error {
	namespace := r.outside()
	if namespace == "" {
		return nil
	}
	what, needs := "which restart rules the API server has itself", "create pods in namespace "+namespace
	if ok, err := r.mayCreate(ctx, namespace, "", "pods"); err != nil || !ok {
		r.leftOut(what, needs)
		return err
	}
	has, err := native.Ask(ctx, r.client, namespace)
	if err != nil {
		r.c.LeftOut = append(r.c.LeftOut, check.LeftOut{Check: what, Because: err.Error()})
		return nil
	}
	r.c.Native = &has
	return nil
}

// outside is a namespace that has not opted in and takes Pods; empty: there is none that is known.
func (r *Reader) outside() string {
	found := ""
	for i := range r.c.Namespaces {
		switch n := &r.c.Namespaces[i]; {
		case n.Status.Phase == corev1.NamespaceTerminating || strings.HasPrefix(n.Name, "kube-") || n.Name == r.c.System() || r.c.OptsIn(n.Name):
		case n.Name == metav1.NamespaceDefault:
			return n.Name
		case found == "":
			found = n.Name
		}
	}
	return found
}

// probes asks the API server for a dry run of everything that each of our webhooks is asked about. When one of them
// can't be asked, the others tell nothing new.
func (r *Reader) probes(ctx context.Context) error {
	if r.c.Mutating == nil && r.c.Configured {
		return nil
	}
	var list []check.Probe
	enabled := map[string]string{api.InjectLabel: api.InjectEnabled}
	in := r.optedIn()
	for i, namespace := range in {
		if i >= probed {
			r.c.Notes = append(r.c.Notes, fmt.Sprintf("Dry runs were made in %d of %d namespaces that opted in", probed, len(in)))
			break
		}
		list = append(list, check.Probe{Webhook: "namespaces.restartrules.dev", Kind: "Pod", Namespace: namespace})
	}
	if len(in) > 0 {
		list = append(list, check.Probe{Webhook: "workloads.namespaces.restartrules.dev", Kind: "Deployment", Namespace: in[0]})
	}
	if namespace := r.outside(); namespace != "" {
		list = append(list, check.Probe{Webhook: "pods.restartrules.dev", Kind: "Pod", Namespace: namespace, Labels: enabled},
			check.Probe{Webhook: "workloads.restartrules.dev", Kind: "Deployment", Namespace: namespace, Labels: enabled})
	}
	for i := range list {
		p := &list[i]
		group, resource := "", "pods"
		if p.Kind == "Deployment" {
			group, resource = "apps", "deployments"
		}
		ok, err := r.mayCreate(ctx, p.Namespace, group, resource)
		if err != nil {
			return err
		}
		if !ok {
			r.leftOut("what becomes of a "+p.Kind+" with restart rules in namespace "+p.Namespace, "create "+strings.Trim(resource+"."+group, ".")+" in namespace "+p.Namespace)
			continue
		}
		if err := r.try(ctx, p); err != nil {
			return err
		}
		r.c.Probes = append(r.c.Probes, *p)
		if p.Unreachable() {
			return nil
		}
	}
	return nil
}

func (r *Reader) optedIn() (names []string) {
	for i := range r.c.Namespaces {
		if n := &r.c.Namespaces[i]; n.Status.Phase != corev1.NamespaceTerminating && r.c.OptsIn(n.Name) {
			names = append(names, n.Name)
		}
	}
	return names
}

// mayCreate asks the API server whether its user may create something.
func (r *Reader) mayCreate(ctx context.Context, namespace, group, resource string) (bool, error) {
	return r.allowed(ctx, authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "create", Group: group, Resource: resource})
}

func (r *Reader) allowed(ctx context.Context, what authorizationv1.ResourceAttributes) (bool, error) {
	review, err := r.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what}}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask what this user may do: %w", err)
	}
	return review.Status.Allowed, nil
}

// try makes the dry run of a probe.
func (r *Reader) try(ctx context.Context, p *check.Probe) error {
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/part-of": "restartrules"},
			Annotations: map[string]string{api.RulesAnnotation: probeRules, api.ModeAnnotation: api.ModeEmulate}},
		Spec: probeSpec(),
	}
	for key, value := range p.Labels {
		template.Labels[key] = value
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	r.warnings.list = nil
	var answer runtime.Object
	var err error
	const generate = "restartrules-check-"
	if p.Kind == "Pod" {
		pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		pod.GenerateName, pod.Spec.RestartPolicy = generate, corev1.RestartPolicyNever
		answer, err = r.client.CoreV1().Pods(p.Namespace).Create(ctx, pod, options)
	} else {
		answer, err = r.client.AppsV1().Deployments(p.Namespace).Create(ctx, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{GenerateName: generate},
			Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: template.Labels}, Template: template},
		}, options)
	}
	return r.answered(p, answer, err)
}

// answered notes what the API server says.
func (r *Reader) answered(p *check.Probe, answer any, err error) error {
	p.Warnings, r.warnings.list = r.warnings.list, nil
	if err == nil {
		p.Answer, err = json.Marshal(answer)
		return err
	}
	if p.Refusal = refusal(err); p.Refusal == nil {
		return fmt.Errorf("dry run of a %s in namespace %s: %w", p.Kind, p.Namespace, err)
	}
	return nil
}

// probeSpec is a Pod that Pod Security "restricted" and most quotas let pass.
func probeSpec() corev1.PodSpec {
	little := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")}
	return corev1.PodSpec{
		AutomountServiceAccountToken: new(bool),
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(65532)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Containers: []corev1.Container{{
			Name: "probe", Image: "never.invalid/pulled", Command: []string{"probe"},
			Resources:       corev1.ResourceRequirements{Requests: little, Limits: little},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
		}},
	}
}
