package certificates

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// watch sends to changed, which has room for one, when the Secret or a configuration changes, until ctx ends; stop
// waits until nothing is sent any more.
func (m *Manager) watch(ctx context.Context, changed chan<- struct{}) (stop func()) {
	named := func(name string) informers.SharedInformerOption {
		return informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
		})
	}
	secrets := informers.NewSharedInformerFactoryWithOptions(m.client, 0, informers.WithNamespace(m.options.Namespace), named(m.options.Secret))
	configurations := informers.NewSharedInformerFactoryWithOptions(m.client, 0, named(m.options.Configurations))
	for _, informer := range []cache.SharedIndexInformer{
		secrets.Core().V1().Secrets().Informer(),
		configurations.Admissionregistration().V1().MutatingWebhookConfigurations().Informer(),
		configurations.Admissionregistration().V1().ValidatingWebhookConfigurations().Informer(),
	} {
		notify := func() {
			select {
			case changed <- struct{}{}:
			default: // nobody has looked since the last one
			}
		}
		// It fails only for an informer that was stopped.
		_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { notify() },
			UpdateFunc: func(any, any) { notify() },
			DeleteFunc: func(any) { notify() },
		})
	}
	secrets.StartWithContext(ctx)
	configurations.StartWithContext(ctx)
	return func() {
		secrets.Shutdown()
		configurations.Shutdown()
	}
}
