// Package cluster reads of a cluster what package check judges. It writes nothing: what it has the API server create
// are dry runs. What it may not read it leaves out, and says so.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
	"restartrules.dev/pkg/configuration"
)

// atOnce is how many objects the API server is asked for at once.
const atOnce = 500

// Reader reads one cluster. It is for one goroutine.
type Reader struct {
	client   kubernetes.Interface
	dynamic  dynamic.Interface
	warnings *warnings
	// namespace is the only one that is looked at; empty: all are.
	namespace string
	c         *check.Cluster
}

// warnings gathers what the API server warns of.
type warnings struct{ list []string }

// HandleWarningHeader is rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _ string, text string) { w.list = append(w.list, text) }

// New returns a Reader of Pods and workloads in one namespace, or with none in all.
func New(config *rest.Config, namespace string) (*Reader, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 50, 100
	w := new(warnings)
	config.WarningHandler = w
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	other, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Reader{client: client, dynamic: other, warnings: w, namespace: namespace, c: &check.Cluster{Now: time.Now()}}, nil
}

// Read reads all that an installation is judged by. The error says that the cluster can't be reached.
func (r *Reader) Read(ctx context.Context) (*check.Cluster, error) {
	for _, step := range []func(context.Context) error{
		r.version, r.configurations, r.webhook, r.certificate, r.nodes, r.namespaces, r.pods, r.workloads, r.native, r.probes, r.reports,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return r.c, nil
}

// may passes errors on, but for that of a right that is missing: it notes that the check is left out.
func (r *Reader) may(err error, what, needs string) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err):
		r.leftOut(what, needs)
		return nil
	default:
		return fmt.Errorf("%s: %w", needs, err)
	}
}

func (r *Reader) leftOut(what, needs string) {
	r.c.LeftOut = append(r.c.LeftOut, check.LeftOut{Check: what, Needs: needs})
}

func (r *Reader) version(context.Context) error {
	v, err := r.client.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask the API server for its version: %w", err)
	}
	r.c.Version = v.GitVersion
	return nil
}

func (r *Reader) configurations(ctx context.Context) error {
	what := "webhook configurations"
	mutating, err := r.client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return r.may(err, what, "list mutatingwebhookconfigurations.admissionregistration.k8s.io")
	}
	validating, err := r.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(ctx, check.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return r.may(err, what, "get validatingwebhookconfigurations.admissionregistration.k8s.io")
	default:
		r.c.Validating = validating
	}
	for i := range mutating.Items {
		if m := &mutating.Items[i]; m.Name == check.Name {
			r.c.Mutating = m
		} else {
			r.c.Others = append(r.c.Others, *m)
		}
	}
	r.c.Configured = true
	return nil
}

// webhook reads the webhook's Deployment, its Pods, and the endpoints of its Service.
func (r *Reader) webhook(ctx context.Context) error {
	what, in := "whether the webhook is up, and if not why", " in namespace "+r.c.System()
	deployment, err := r.client.AppsV1().Deployments(r.c.System()).Get(ctx, check.WebhookName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		if err := r.may(err, what+", and its flags", "get deployments.apps"+in); err != nil {
			return err
		}
	default:
		r.c.Deployment = deployment
		if err := r.configuration(ctx); err != nil {
			return err
		}
	}
	pods, err := r.client.CoreV1().Pods(r.c.System()).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
	if err == nil {
		for i := range pods.Items {
			if pods.Items[i].DeletionTimestamp == nil {
				r.c.WebhookPods = append(r.c.WebhookPods, pods.Items[i])
			}
		}
	} else if err := r.may(err, what, "list pods"+in); err != nil {
		return err
	}
	slices, err := r.client.DiscoveryV1().EndpointSlices(r.c.System()).List(ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + check.WebhookName})
	if err != nil {
		return r.may(err, what, "list endpointslices.discovery.k8s.io"+in)
	}
	r.c.Endpoints, r.c.EndpointsKnown = slices.Items, true
	return nil
}

// configuration reads the webhook's file, if it has one in a ConfigMap.
func (r *Reader) configuration(ctx context.Context) error {
	const volume, key = "configuration", "configuration.yaml" // as in manifests/components/configuration
	for _, v := range r.c.Deployment.Spec.Template.Spec.Volumes {
		if v.Name != volume || v.ConfigMap == nil {
			continue
		}
		file, err := r.client.CoreV1().ConfigMaps(r.c.System()).Get(ctx, v.ConfigMap.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil // the webhook's Pods don't start without: that is found
		}
		if err != nil {
			return r.may(err, "which mode the webhook's configuration says", "get configmaps named "+v.ConfigMap.Name+" in namespace "+r.c.System())
		}
		c, err := configuration.Parse([]byte(file.Data[key]))
		if err != nil {
			r.c.LeftOut = append(r.c.LeftOut, check.LeftOut{Check: "which mode the webhook's configuration says", Because: err.Error()})
			return nil
		}
		r.c.Configuration = c
	}
	return nil
}

func (r *Reader) nodes(ctx context.Context) error {
	nodes, err := r.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return r.may(err, "what the nodes' kubelets have", "list nodes")
	}
	r.c.Nodes = nodes.Items
	return nil
}

func (r *Reader) namespaces(ctx context.Context) error {
	if r.namespace != "" {
		n, err := r.client.CoreV1().Namespaces().Get(ctx, r.namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return err
		}
		if err != nil {
			return r.may(err, "whether the namespace has opted in", "get namespaces")
		}
		r.c.Namespaces = []corev1.Namespace{*n}
		return nil
	}
	namespaces, err := r.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return r.may(err, "which namespaces have opted in", "list namespaces")
	}
	r.c.Namespaces = namespaces.Items
	return nil
}

// where says in which namespaces a right is needed.
func (r *Reader) where() string {
	if r.namespace == "" {
		return " in all namespaces"
	}
	return " in namespace " + r.namespace
}

// pages calls list for each page. A list that takes so long that it expires begins again, all at once.
func pages(list func(metav1.ListOptions) (next string, err error), again func()) error {
	options := metav1.ListOptions{Limit: atOnce}
	for {
		next, err := list(options)
		if apierrors.IsResourceExpired(err) && options.Limit > 0 {
			again()
			options = metav1.ListOptions{}
			continue
		}
		if err != nil || next == "" {
			return err
		}
		options.Continue = next
	}
}

// refusal is the answer of the API server to what it does not do; nil if it was no answer.
func refusal(err error) *metav1.Status {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	s := status.Status()
	return &s
}
