//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestOutage stops the webhook: only Pods with rules can't be created then, and everything can be
// deleted.
func TestOutage(t *testing.T) {
	namespace := optedIn(t)
	injected := newPod(namespace, withRules(42), withName("injected"))
	injected.Finalizers = []string{"example.com/keep"}
	injected = create(t, injected)
	policyOnly := create(t, newPod(namespace, withPolicy("Never"), withName("policy-only")))

	require.NoError(t, s.webhook.stop())
	running := false
	start := func() {
		if !running {
			running = true
			require.NoError(t, s.webhook.start())
			require.NoError(t, waitForWebhook(t.Context()))
		}
	}
	defer start()

	plain := create(t, newPod(namespace, withName("plain")))
	create(t, newPod(namespace, withName("sidecar"), withSidecar))
	create(t, newPod(newNamespace(t), withName("elsewhere"), withRules(42)))

	refused := newPod(namespace, withRules(42), withName("refused"))
	err := s.client.Create(t.Context(), refused)
	require.ErrorContains(t, err, `failed calling webhook "namespaces.restartrules.dev"`)

	change := client.RawPatch(types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"a":"b"},"annotations":{"a":"b"},"finalizers":null}}`))
	require.NoError(t, s.client.Patch(t.Context(), plain, change))
	require.NoError(t, s.client.Patch(t.Context(), policyOnly, change))
	require.NoError(t, deletePod(t.Context(), injected))
	require.NotNil(t, stored(t, injected).DeletionTimestamp)
	require.NoError(t, s.client.Patch(t.Context(), injected, change))
	require.True(t, isNotFound(t, injected))

	start()
	refused.ResourceVersion = ""
	require.True(t, isInjected(create(t, refused)))
}
