// Package trust publishes the webhook's CA certificates to the namespaces that opted in, where the reporters
// of their Pods find them (upstream's like: pkg/controller/certificates/rootcacertpublisher).
package trust

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/client-go/util/workqueue"

	"restartrules.dev/pkg/api"
)

const (
	// readAgain is how often the CA's file is read.
	readAgain = 10 * time.Second
	// writesPerSecond bounds what is written, beside what reports cause.
	writesPerSecond = 10
	// fieldManager owns what is published.
	fieldManager = "restartrules-webhook"
)

// Publisher keeps the ConfigMaps. Several may run at once: they write the same.
type Publisher struct {
	client    kubernetes.Interface
	namespace string
	file      string
	log       logr.Logger
	limit     flowcontrol.RateLimiter

	queue                  workqueue.TypedRateLimitingInterface[string]
	namespaces, configMaps cache.Store
	// bundle is what is published, and owner to whom that belongs; they are Run's goroutine's.
	bundle []byte
	owner  *applymetav1.OwnerReferenceApplyConfiguration
}

// New returns a Publisher of the CA certificates in file. namespace is the webhook's own: its ConfigMap says
// which certificates were published before, and when it is deleted so are all ConfigMaps, by the garbage
// collector.
func New(client kubernetes.Interface, namespace, file string, log logr.Logger) *Publisher {
	return &Publisher{client: client, namespace: namespace, file: file, log: log, limit: flowcontrol.NewTokenBucketRateLimiter(writesPerSecond, 1),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, time.Minute))}
}

// Run publishes until ctx ends. The error says that the API server can't be watched.
func (p *Publisher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	optedIn := informers.NewSharedInformerFactoryWithOptions(p.client, 0, informers.WithTransform(essence), informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = labels.Set{api.InjectLabel: api.InjectEnabled}.String()
	}))
	published := informers.NewSharedInformerFactoryWithOptions(p.client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, api.CAConfigMap).String()
	}))
	namespaces, configMaps := optedIn.Core().V1().Namespaces().Informer(), published.Core().V1().ConfigMaps().Informer()
	p.namespaces, p.configMaps = namespaces.GetStore(), configMaps.GetStore()
	for informer, name := range map[cache.SharedIndexInformer]func(metav1.Object) string{
		namespaces: metav1.Object.GetName, configMaps: metav1.Object.GetNamespace,
	} {
		if _, err := informer.AddEventHandler(p.enqueue(name)); err != nil {
			return fmt.Errorf("watch for namespaces that opted in: %w", err)
		}
	}
	for _, factory := range []informers.SharedInformerFactory{optedIn, published} {
		factory.Start(ctx.Done())
		defer factory.Shutdown()
	}
	defer cancel() // before Shutdown, which waits
	if !cache.WaitForCacheSync(ctx.Done(), namespaces.HasSynced, configMaps.HasSynced) {
		return nil
	}
	ticker := time.NewTicker(readAgain)
	defer ticker.Stop()
	p.refresh(ctx)
	work := make(chan string)
	go func() {
		defer close(work)
		for {
			namespace, shutDown := p.queue.Get()
			if shutDown {
				return
			}
			work <- namespace
		}
	}()
	defer func() {
		p.queue.ShutDown()
		for range work { // until it has ended
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			p.refresh(ctx)
		case namespace := <-work:
			p.done(namespace, p.publish(ctx, namespace))
		}
	}
}

func (p *Publisher) done(namespace string, err error) {
	if err == nil {
		p.queue.Forget(namespace)
	} else {
		p.log.Error(err, "Pods can't report from a namespace", "namespace", namespace)
		p.queue.AddRateLimited(namespace)
	}
	p.queue.Done(namespace)
}

// enqueue queues the namespace that name gives of an object that changes.
func (p *Publisher) enqueue(name func(metav1.Object) string) cache.ResourceEventHandler {
	add := func(object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		if o, ok := object.(metav1.Object); ok {
			p.queue.Add(name(o))
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, object any) { add(object) }, DeleteFunc: add}
}

// essence drops all of a namespace but what counts.
func essence(object any) (any, error) {
	n, ok := object.(*corev1.Namespace)
	if !ok {
		return object, nil
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: n.UID, ResourceVersion: n.ResourceVersion, DeletionTimestamp: n.DeletionTimestamp}}, nil
}

// refresh reads the file again, and has all namespaces looked at if the bundle is another then.
func (p *Publisher) refresh(ctx context.Context) {
	current, err := os.ReadFile(p.file)
	if err == nil {
		var bundle []byte
		if bundle, err = Merge(current, []byte(p.published(p.namespace)), time.Now()); err == nil && string(bundle) != string(p.bundle) {
			p.log.Info("publishes its CA certificates", "configMap", api.CAConfigMap, "file", p.file)
			p.bundle = bundle
			p.queue.Add(p.namespace)
			for _, name := range p.namespaces.ListKeys() {
				p.queue.Add(name)
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		p.log.Error(err, "the CA certificates can't be published: Pods that start now can't report", "file", p.file)
	}
}

// published is what a namespace's ConfigMap has.
func (p *Publisher) published(namespace string) string {
	object, _, err := p.configMaps.GetByKey(namespace + "/" + api.CAConfigMap)
	if c, ok := object.(*corev1.ConfigMap); ok && err == nil {
		return c.Data[api.ReportCAKey]
	}
	return ""
}

// publish makes a namespace's ConfigMap what it is to be. That of one that has opted out stays: Pods may have it.
func (p *Publisher) publish(ctx context.Context, namespace string) error {
	if namespace == p.namespace {
		p.refresh(ctx) // what was taken out there stays out
	}
	object, optedIn, err := p.namespaces.GetByKey(namespace)
	if err != nil {
		return err
	}
	if n, ok := object.(*corev1.Namespace); ok && n.DeletionTimestamp != nil {
		return nil
	}
	if !optedIn && namespace != p.namespace || len(p.bundle) == 0 || p.published(namespace) == string(p.bundle) {
		return nil
	}
	if err := p.limit.Wait(ctx); err != nil {
		return nil // the end
	}
	if p.owner == nil {
		if p.owner, err = p.own(ctx); err != nil {
			return err
		}
	}
	configMap := applycorev1.ConfigMap(api.CAConfigMap, namespace).
		WithLabels(map[string]string{"app.kubernetes.io/name": "restartrules"}).
		WithAnnotations(map[string]string{"kubernetes.io/description": "The CA certificates of the webhook of Restart Rules, by which watchers that report to it know it. Written by the webhook."}).
		WithOwnerReferences(p.owner).
		WithData(map[string]string{api.ReportCAKey: string(p.bundle)})
	_, err = p.client.CoreV1().ConfigMaps(namespace).Apply(ctx, configMap, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil // the namespace is gone, or going
	}
	return err
}

// own is the webhook's own namespace. It lasts as long as the process does.
func (p *Publisher) own(ctx context.Context) (*applymetav1.OwnerReferenceApplyConfiguration, error) {
	list, err := p.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, p.namespace).String()})
	if err != nil {
		return nil, fmt.Errorf("find the webhook's own namespace %s, to which what is published belongs: %w", p.namespace, err)
	}
	if len(list.Items) == 0 {
		return nil, fmt.Errorf("the webhook's own namespace, %s, doesn't exist: set --reports-namespace", p.namespace)
	}
	n := &list.Items[0]
	return applymetav1.OwnerReference().WithAPIVersion("v1").WithKind("Namespace").WithName(n.Name).WithUID(n.UID), nil
}
