package native

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/compile"
)

// feature is one thing that a cluster may do itself.
type feature struct {
	name   string
	of     func(*compile.Features) *bool
	action corev1.ContainerRestartRuleAction
	// onNode says whether a node has it, and if not why.
	onNode func(node) (bool, string)
}

var features = []feature{
	{compile.RestartFeature, func(f *compile.Features) *bool { return &f.Restart }, corev1.ContainerRestartRuleActionRestart, node.restarts},
	{compile.RestartAllFeature, func(f *compile.Features) *bool { return &f.RestartAll }, corev1.ContainerRestartRuleActionRestartAllContainers, node.restartsAll},
}

// look says whether API server and all nodes have the feature, and by what that was decided.
func (f *feature) look(ctx context.Context, d *Detector, nodes []node) (has bool, why string, err error) {
	if len(nodes) == 0 {
		return false, "there are no nodes yet", nil
	}
	for _, n := range nodes {
		if ok, why := f.onNode(n); !ok {
			return false, "node " + n.name + ": " + why, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	has, why, err = f.ask(ctx, d)
	if has {
		why += fmt.Sprintf(", and so do all %d nodes", len(nodes))
	}
	return has, why, err
}

// ask has the API server take a Pod with such a rule, in a dry run, and looks at what is left of it.
func (f *feature) ask(ctx context.Context, d *Detector) (has bool, why string, err error) {
	got, err := d.client.CoreV1().Pods(d.namespace).Create(ctx, f.question(), metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationIgnore,
	})
	switch {
	case err == nil && len(got.Spec.Containers) > 0 && len(got.Spec.Containers[0].RestartPolicyRules) > 0:
		return true, "the API server takes rules with action " + string(f.action), nil
	case err == nil:
		return false, "the API server drops restartPolicyRules: the gate " + compile.RestartFeature + " is off", nil
	case apierrors.IsInvalid(err):
		return false, "the API server refuses a rule with action " + string(f.action), nil
	default:
		return false, "", fmt.Errorf("dry run of a Pod in namespace %s: %w", d.namespace, err)
	}
}

// question is a Pod that Pod Security "restricted" lets pass.
func (f *feature) question() *corev1.Pod {
	yes, no, user := true, false, int64(65532)
	never := corev1.ContainerRestartPolicyNever
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "restartrules-question-", Labels: map[string]string{"app.kubernetes.io/part-of": "restartrules"}},
		Spec: corev1.PodSpec{
			RestartPolicy:                corev1.RestartPolicyNever,
			AutomountServiceAccountToken: &no,
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "question", Image: "never.invalid/pulled",
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
				RestartPolicy:   &never,
				RestartPolicyRules: []corev1.ContainerRestartRule{{Action: f.action, ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
					Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{42}}}},
			}},
		},
	}
}
