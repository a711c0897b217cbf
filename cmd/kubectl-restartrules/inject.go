package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/cmd/kubectl-restartrules/internal/source"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/workload"
)

// injectOptions are the flags of `inject`.
type injectOptions struct {
	input                 inputOptions
	output                choice
	image                 string
	imagePullPolicy       string
	shareProcessNamespace bool
	readinessPort         int32
}

func newInjectCommand() *cobra.Command {
	var o injectOptions
	cmd := &cobra.Command{
		Use:   "inject -f FILE --image=IMAGE",
		Short: "Print manifests as the webhook would make them",
		Long: `Print manifests with the injection done: a Pod as the webhook makes it when it is created, a workload with
its Pod templates made the same way. Documents without restart rules are printed as they are, as are Pods with
the label restartrules.dev/inject=disabled. Comments are kept where YAML becomes YAML, the layout may change.

If there is any error nothing is printed. Warnings go to standard error.`,
		Example: `  kubectl restartrules inject -f pod.yaml --image=example.com/restartrules:v1 | kubectl apply -f -
  kustomize build . | kubectl restartrules inject -f - --image=example.com/restartrules:v1 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.input.addFlags(cmd)
	o.input.required(cmd)
	o.input.addFeatures(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&o.image, "image", "", "Image of the watcher that is injected, the webhook's --watcher-image. Required where a shim is needed.")
	flags.StringVar(&o.imagePullPolicy, "image-pull-policy", "", "imagePullPolicy of the injected watcher: Always, IfNotPresent or Never; empty leaves it to the API server.")
	flags.BoolVar(&o.shareProcessNamespace, "share-process-namespace", true,
		"Let the containers of injected Pods share one process namespace, where the Pod does not say.")
	flags.Int32Var(&o.readinessPort, "readiness-port", inject.DefaultReadinessPort,
		"Port in each injected Pod where its watcher says whether the Pod is ready, the webhook's flag of that name; 0 turns that off.")
	o.output.addFlag(cmd, "yaml", "json")
	return cmd
}

func (o *injectOptions) run(cmd *cobra.Command) error {
	opts, err := o.input.injectOptions()
	if err != nil {
		return err
	}
	opts.Image, opts.ShareProcessNamespace, opts.ReadinessPort = o.image, o.shareProcessNamespace, o.readinessPort
	switch opts.ImagePullPolicy = corev1.PullPolicy(o.imagePullPolicy); opts.ImagePullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		return fmt.Errorf("--image-pull-policy is %q, must be Always, IfNotPresent or Never", o.imagePullPolicy)
	}
	return o.input.rewrite(cmd, &o.output, func(s *subject) ([]inject.Op, []finding, error) {
		return o.inject(s, opts)
	})
}

// inject makes the operations that inject one object.
func (o *injectOptions) inject(s *subject, opts inject.Options) ([]inject.Op, []finding, error) {
	findings := s.validate(opts)
	if _, is := s.optedOut(); is || count(findings, severityError) > 0 {
		return nil, findings, nil
	}
	ops, pods, err := s.created(opts)
	if err != nil {
		return nil, nil, err
	}
	for i := range pods {
		more, err := injectPod(&pods[i], opts)
		if err != nil {
			return nil, nil, err
		}
		ops = append(ops, more...)
		findings = append(findings, s.refused(&pods[i], more)...)
	}
	return ops, findings, nil
}

// injectPod makes the operations for a Pod or Pod template, with the pointers of its object.
func injectPod(t *workload.Template, opts inject.Options) (ops []inject.Op, err error) {
	if optsOut(t) {
		return nil, nil
	}
	object, ops, err := withMetadata(t.JSON)
	if err != nil {
		return nil, err
	}
	result, err := inject.Create(object, opts)
	if err != nil {
		return nil, err
	}
	if len(result.Patch) == 0 {
		return nil, result.Errors.ToAggregate()
	}
	if opts.Image == "" {
		if err := needsNoImage(object, result.Patch); err != nil {
			return nil, err
		}
	}
	return prefixed(t.Pointer, append(ops, result.Patch...)), nil
}

// needsNoImage is an error if the operations add the watcher, which has no image then.
func needsNoImage(object []byte, ops []inject.Op) error {
	injected, err := source.Apply(object, ops)
	if err != nil {
		return err
	}
	pod, err := manifest.DecodeTemplate(injected)
	if err != nil {
		return err
	}
	for _, c := range pod.Spec.InitContainers {
		if c.Name == api.WatcherContainer && c.Image == "" {
			return errors.New("--image is required: the image with the watcher and the shim, as in the webhook's --watcher-image")
		}
	}
	return nil
}

// templatePolicies are the restartPolicies that the API server takes in the Pod templates of a kind, if
// not all (upstream: pkg/apis/apps/validation and pkg/apis/batch/validation).
var templatePolicies = map[string][]string{
	"deployments":            {"Always"},
	"replicasets":            {"Always"},
	"replicationcontrollers": {"Always"},
	"statefulsets":           {"Always"},
	"daemonsets":             {"Always"},
	"jobs":                   {"Never", "OnFailure"},
	"cronjobs":               {"Never", "OnFailure"},
}

// refused warns of a Pod template that no API server will take once it is injected.
func (s *subject) refused(t *workload.Template, ops []inject.Op) []finding {
	if s.kind == nil {
		return nil
	}
	allowed := templatePolicies[s.kind.Resource]
	for _, op := range ops {
		policy := fmt.Sprint(op.Value)
		if op.Path == t.Pointer+"/spec/restartPolicy" && allowed != nil && !slices.Contains(allowed, policy) {
			return []finding{at(s.Object, severityWarning, under(t, "spec.restartPolicy"), fmt.Sprintf(
				"becomes %s, which no API server takes in a %s: apply the manifest without injection, the webhook injects its Pods", policy, s.Kind))}
		}
	}
	return nil
}
