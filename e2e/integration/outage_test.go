//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"restartrules.dev/pkg/api"
)

// TestOutage stops the webhook: only Pods and workloads with rules can't be created or changed then,
// and everything can be deleted.
func TestOutage(t *testing.T) {
	namespace := optedIn(t)
	injected := newPod(namespace, withRules(42), withName("injected"))
	injected.Finalizers = []string{"example.com/keep"}
	injected = create(t, injected)
	deployment := workloadKinds[0]
	ruled := deployment.manifest(t, newPod(namespace, withRules(42)))
	ruled["metadata"].(object)["finalizers"] = []any{"example.com/keep"}
	mustKubectl(t, asJSON(t, ruled), "create", "-f", "-")
	policyOnly := create(t, newPod(namespace, withPolicy("Never"), withName("policy-only")))

	require.NoError(t, s.webhook.stop())
	running := false
	start := func() {
		if !running {
			running = true
			require.NoError(t, s.webhook.start())
			require.NoError(t, s.WaitForWebhook(t.Context()))
		}
	}
	defer start()

	plain := create(t, newPod(namespace, withName("plain")))
	create(t, newPod(namespace, withName("sidecar"), withSidecar))
	create(t, newPod(newNamespace(t), withName("elsewhere"), withRules(42)))

	refused := newPod(namespace, withRules(42), withName("refused"))
	err := s.client.Create(t.Context(), refused)
	require.ErrorContains(t, err, `failed calling webhook "namespaces.restartrules.dev"`)

	for _, k := range workloadKinds {
		manifest := k.manifest(t, newPod(namespace))
		manifest["metadata"].(object)["name"] = "plain"
		mustKubectl(t, asJSON(t, manifest), "apply", "-f", "-")
		mustKubectl(t, nil, "label", k.resource(t), "plain", "-n", namespace, "changed=true")
	}
	out, err := kubectl(nil, "set", "image", "deployment/web", "-n", namespace, "app=example.com/app:2")
	require.Error(t, err)
	require.Contains(t, out, `failed calling webhook "workloads.namespaces.restartrules.dev"`)
	mustKubectl(t, nil, "scale", "deployment/web", "-n", namespace, "--replicas=0")
	mustKubectl(t, nil, "delete", "deployment/web", "-n", namespace, "--wait=false")
	mustKubectl(t, nil, "patch", "deployment/web", "-n", namespace, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)

	change := client.RawPatch(types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"a":"b"},"annotations":{"a":"b"},"finalizers":null}}`))
	require.NoError(t, s.client.Patch(t.Context(), plain, change))
	require.NoError(t, s.client.Patch(t.Context(), policyOnly, change))
	mustKubectl(t, nil, "annotate", "pod/injected", "-n", namespace, api.PausedAnnotation+"="+api.PausedAll)
	require.Equal(t, api.PausedAll, stored(t, injected).Annotations[api.PausedAnnotation], "the brake needs no webhook")
	mustKubectl(t, nil, "annotate", "pod/injected", "-n", namespace, api.PausedAnnotation+"-")
	require.NoError(t, deletePod(t.Context(), injected))
	require.NotNil(t, stored(t, injected).DeletionTimestamp)
	require.NoError(t, s.client.Patch(t.Context(), injected, change))
	require.True(t, isNotFound(t, injected))

	start()
	refused.ResourceVersion = ""
	require.True(t, isInjected(create(t, refused)))
}
