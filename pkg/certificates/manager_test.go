package certificates

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"
)

const (
	namespace  = "system"
	secretName = "webhook"
)

var secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

func newSecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: secretName}, Type: corev1.SecretTypeOpaque}
}

func newConfigurations(bundle []byte) []runtime.Object {
	client := admissionregistrationv1.WebhookClientConfig{CABundle: bundle}
	return []runtime.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "rules"},
			Webhooks:   []admissionregistrationv1.MutatingWebhook{{Name: "one", ClientConfig: client}, {Name: "two", ClientConfig: client}},
		},
		&admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "rules"},
			Webhooks:   []admissionregistrationv1.ValidatingWebhook{{Name: "one", ClientConfig: client}},
		},
	}
}

func newManager(t *testing.T, client *fake.Clientset) *Manager {
	t.Helper()
	m, err := New(client, Options{
		Namespace: namespace, Secret: secretName, Configurations: "rules", DNSNames: policy.names, Lifetimes: Default(),
		CAFile: filepath.Join(t.TempDir(), CAKey),
	}, logr.Discard())
	require.NoError(t, err)
	return m
}

// bundles are those of all webhooks.
func bundles(t *testing.T, client *fake.Clientset) [][]byte {
	t.Helper()
	webhooks := client.AdmissionregistrationV1()
	mutating, err := webhooks.MutatingWebhookConfigurations().Get(t.Context(), "rules", metav1.GetOptions{})
	require.NoError(t, err)
	validating, err := webhooks.ValidatingWebhookConfigurations().Get(t.Context(), "rules", metav1.GetOptions{})
	require.NoError(t, err)
	return [][]byte{mutating.Webhooks[0].ClientConfig.CABundle, mutating.Webhooks[1].ClientConfig.CABundle, validating.Webhooks[0].ClientConfig.CABundle}
}

// requireServed checks that what is served is what all webhooks trust, and ca.crt says.
func requireServed(t *testing.T, client *fake.Clientset, m *Manager) {
	t.Helper()
	served, err := m.GetCertificate(nil)
	require.NoError(t, err)
	file, err := os.ReadFile(m.options.CAFile)
	require.NoError(t, err)
	for _, bundle := range bundles(t, client) {
		require.Equal(t, string(file), string(bundle))
		s, err := decode(map[string][]byte{CAKey: bundle})
		require.NoError(t, err)
		require.NoError(t, s.usable(&pair{tls: *served}, policy.names, time.Now()))
	}
}

func TestManagerBootstraps(t *testing.T) {
	client := fake.NewClientset(append(newConfigurations(nil), newSecret())...)
	m := newManager(t, client)
	_, err := m.GetCertificate(nil)
	require.ErrorContains(t, err, "no certificate yet")

	next, err := m.sync(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(60*24*time.Hour), next, time.Hour)
	requireServed(t, client, m)

	// A second replica serves the same one, and writes nothing.
	other := newManager(t, client)
	client.ClearActions()
	_, err = other.sync(t.Context())
	require.NoError(t, err)
	for _, action := range client.Actions() {
		require.Equal(t, "get", action.GetVerb())
	}
	require.True(t, leaf(t, m).Equal(leaf(t, other).Leaf.Raw))
}

type served struct{ *tls.Certificate }

func (s served) Equal(raw []byte) bool { return string(s.Leaf.Raw) == string(raw) }

func leaf(t *testing.T, m *Manager) served {
	t.Helper()
	certificate, err := m.GetCertificate(nil)
	require.NoError(t, err)
	return served{certificate}
}

// TestManagerRace: another replica writes between our reading and our writing.
func TestManagerRace(t *testing.T) {
	elsewhere := fake.NewClientset(append(newConfigurations(nil), newSecret())...)
	other := newManager(t, elsewhere)
	_, err := other.sync(t.Context())
	require.NoError(t, err)
	written, err := elsewhere.CoreV1().Secrets(namespace).Get(t.Context(), secretName, metav1.GetOptions{})
	require.NoError(t, err)

	client := fake.NewClientset(append(newConfigurations(nil), newSecret())...)
	m := newManager(t, client)
	first := true
	client.PrependReactor("update", "secrets", func(ktesting.Action) (bool, runtime.Object, error) {
		if !first {
			return false, nil, nil
		}
		first = false
		require.NoError(t, client.Tracker().Update(secretsResource, written, namespace))
		return true, nil, apierrors.NewConflict(secretsResource.GroupResource(), secretName, nil)
	})
	_, err = m.sync(t.Context())
	require.NoError(t, err)
	require.True(t, leaf(t, m).Equal(leaf(t, other).Leaf.Raw))
	requireServed(t, client, m)
}

func TestManagerRepairsBundle(t *testing.T) {
	client := fake.NewClientset(append(newConfigurations(nil), newSecret())...)
	m := newManager(t, client)
	_, err := m.sync(t.Context())
	require.NoError(t, err)
	for _, object := range newConfigurations([]byte("something else")) {
		require.NoError(t, client.Tracker().Update(resourceOf(object), object, ""))
	}
	_, err = m.sync(t.Context())
	require.NoError(t, err)
	requireServed(t, client, m)
}

func resourceOf(object runtime.Object) schema.GroupVersionResource {
	r := admissionregistrationv1.SchemeGroupVersion.WithResource("mutatingwebhookconfigurations")
	if _, ok := object.(*admissionregistrationv1.ValidatingWebhookConfiguration); ok {
		r.Resource = "validatingwebhookconfigurations"
	}
	return r
}

// TestManagerWithoutConfigurations: they may be applied later.
func TestManagerWithoutConfigurations(t *testing.T) {
	client := fake.NewClientset(newSecret())
	m := newManager(t, client)
	_, err := m.sync(t.Context())
	require.NoError(t, err)
	leaf(t, m)
	for _, object := range newConfigurations(nil) {
		require.NoError(t, client.Tracker().Add(object))
	}
	_, err = m.sync(t.Context())
	require.NoError(t, err)
	requireServed(t, client, m)
}

// TestManagerKeepsTrust: who was trusted before the Secret said anything stays trusted.
func TestManagerKeepsTrust(t *testing.T) {
	before := take(t, state{}, time.Now(), "there is none")
	bundle, err := before.bundle()
	require.NoError(t, err)
	client := fake.NewClientset(append(newConfigurations(bundle), newSecret())...)
	m := newManager(t, client)
	_, err = m.sync(t.Context())
	require.NoError(t, err)
	requireServed(t, client, m)
	for _, bundle := range bundles(t, client) {
		s, err := decode(map[string][]byte{CAKey: bundle})
		require.NoError(t, err)
		require.Len(t, s.trusted, 2)
		require.NoError(t, s.usable(before.current, policy.names, time.Now()))
	}
}

func TestManagerWithoutSecret(t *testing.T) {
	m := newManager(t, fake.NewClientset(newConfigurations(nil)...))
	_, err := m.sync(t.Context())
	require.ErrorContains(t, err, "apply them again")
	_, err = m.GetCertificate(nil)
	require.Error(t, err)
}

// TestManagerServesWhatIsTrusted: a certificate is not served before all webhooks trust it.
func TestManagerServesWhatIsTrusted(t *testing.T) {
	client := fake.NewClientset(append(newConfigurations(nil), newSecret())...)
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "validatingwebhookconfigurations"}, "rules", nil)
	client.PrependReactor("patch", "validatingwebhookconfigurations", func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, forbidden
	})
	m := newManager(t, client)
	_, err := m.sync(t.Context())
	require.ErrorContains(t, err, "write caBundle")
	_, err = m.GetCertificate(nil)
	require.Error(t, err)
}

// TestRun: what others do is noticed, and Run ends with its context.
func TestRun(t *testing.T) {
	client := fake.NewClientset(append(newConfigurations(nil), newSecret())...)
	m := newManager(t, client)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()
	require.Eventually(t, func() bool { _, err := m.GetCertificate(nil); return err == nil }, time.Minute, 10*time.Millisecond)
	first := leaf(t, m)

	// Somebody empties the Secret.
	require.NoError(t, client.Tracker().Update(secretsResource, newSecret(), namespace))
	require.Eventually(t, func() bool { return !leaf(t, m).Equal(first.Leaf.Raw) }, time.Minute, 10*time.Millisecond)
}

func TestNewRefuses(t *testing.T) {
	_, err := New(fake.NewClientset(), Options{Lifetimes: Default()}, logr.Discard())
	require.ErrorContains(t, err, "DNS name")
	_, err = New(fake.NewClientset(), Options{DNSNames: policy.names}, logr.Discard())
	require.ErrorContains(t, err, "overlap")
}
