package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/pkg/api"
)

// podsAtOnce is how many Pods the API server is asked for at once.
const podsAtOnce = 500

// wantedPods are the Pods that are asked for: those of these names, and those that any of the selectors matches.
type wantedPods struct {
	namespace string
	names     []string
	selectors []labels.Selector
}

// emulated selects the Pods that have a watcher.
const emulated = api.ModeLabel + "=" + api.ModeEmulated

// want finds out which Pods the arguments mean: each is the name of a Pod, or TYPE/NAME of what has Pods.
func want(ctx context.Context, cluster *genericclioptions.ConfigFlags, namespace, selector string, args []string) (*wantedPods, error) {
	w := &wantedPods{namespace: namespace}
	if len(args) == 0 {
		s, err := labels.Parse(selector)
		if err != nil {
			return nil, fmt.Errorf("--selector: %w", err)
		}
		w.selectors = []labels.Selector{s}
	}
	for _, arg := range args {
		kind, name, typed := strings.Cut(arg, "/")
		if !typed {
			kind, name = "pod", arg
		}
		if slices.Contains([]string{"pod", "pods", "po"}, strings.ToLower(kind)) {
			w.names = append(w.names, name)
			continue
		}
		owner, err := get(ctx, cluster, namespace, kind, name)
		if err != nil {
			return nil, err
		}
		s, err := podSelector(owner)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		w.selectors = append(w.selectors, s)
	}
	return w, nil
}

// get reads an object of any kind that the cluster has.
func get(ctx context.Context, cluster *genericclioptions.ConfigFlags, namespace, kind, name string) (*unstructured.Unstructured, error) {
	mapper, err := cluster.ToRESTMapper()
	if err != nil {
		return nil, fmt.Errorf("ask which resources there are: %w", err)
	}
	full, short := schema.ParseResourceArg(kind)
	if full == nil {
		full = new(short.WithVersion(""))
	}
	resource, err := mapper.ResourceFor(*full)
	if err != nil {
		return nil, fmt.Errorf("the cluster has no resource %q: %w", kind, err)
	}
	config, err := cluster.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	return client.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
}

// labelsOfPods are those that controllers without a selector give their Pods, with their names.
var labelsOfPods = map[string]string{
	"JobSet":          "jobset.sigs.k8s.io/jobset-name",
	"LeaderWorkerSet": "leaderworkerset.sigs.k8s.io/name",
}

// podSelector is what selects the Pods of a workload.
func podSelector(owner *unstructured.Unstructured) (labels.Selector, error) {
	if label, ok := labelsOfPods[owner.GetKind()]; ok {
		return labels.SelectorFromSet(labels.Set{label: owner.GetName()}), nil
	}
	fields, found, err := unstructured.NestedMap(owner.Object, "spec", "selector")
	if err != nil || !found || len(fields) == 0 {
		return nil, errors.New("what Pods it has can't be told from its spec; give their labels with --selector")
	}
	if plain, _, err := unstructured.NestedStringMap(owner.Object, "spec", "selector"); err == nil { // ReplicationController, Service
		return labels.SelectorFromSet(plain), nil
	}
	var selector metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &selector); err != nil {
		return nil, fmt.Errorf("spec.selector: %w", err)
	}
	return metav1.LabelSelectorAsSelector(&selector)
}

// has says whether a Pod is one of those.
func (w *wantedPods) has(pod *corev1.Pod) bool {
	return slices.Contains(w.names, pod.Name) || slices.ContainsFunc(w.selectors, func(s labels.Selector) bool { return s.Matches(labels.Set(pod.Labels)) })
}

// read returns the Pods as they are. One that was asked for by its name and has no rules is an error.
func (w *wantedPods) read(ctx context.Context, client kubernetes.Interface) (pods []corev1.Pod, err error) {
	for _, name := range w.names {
		pod, err := client.CoreV1().Pods(w.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		if pod.Annotations[api.PlanAnnotation] == "" {
			return nil, fmt.Errorf("pod %[1]s/%[2]s was not injected: there is nothing of Restart Rules in it; `kubectl restartrules check -n %[1]s %[2]s` says why", w.namespace, name)
		}
		pods = append(pods, *pod)
	}
	for _, s := range w.selectors {
		of, err := w.list(ctx, client, s)
		if err != nil {
			return nil, err
		}
		pods = append(pods, of...)
	}
	return pods, nil
}

func (w *wantedPods) list(ctx context.Context, client kubernetes.Interface, s labels.Selector) (pods []corev1.Pod, err error) {
	options := metav1.ListOptions{LabelSelector: emulated, Limit: podsAtOnce}
	if !s.Empty() {
		options.LabelSelector += "," + s.String()
	}
	for {
		page, err := client.CoreV1().Pods(w.namespace).List(ctx, options)
		if apierrors.IsResourceExpired(err) { // it took too long; from the start, all at once
			options.Limit, options.Continue, pods = 0, "", nil
			continue
		}
		if err != nil {
			return nil, err
		}
		pods = append(pods, page.Items...)
		if options.Continue = page.Continue; options.Continue == "" {
			return pods, nil
		}
	}
}
