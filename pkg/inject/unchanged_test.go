package inject

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnUnchangedManifestIsNotWrittenForItsTime(t *testing.T) {
	kubectl := func(time string) any {
		return map[string]any{"manager": "kubectl-client-side-apply", "operation": "Update", "time": time, "fieldsV1": map[string]any{"f:spec": map[string]any{}}}
	}
	kubelet := map[string]any{"manager": "kubelet", "operation": "Update", "time": "2026-01-01T00:00:05Z", "subresource": "status"}
	other := map[string]any{"manager": "argocd-controller", "operation": "Apply", "time": "2026-01-01T00:00:09Z"}
	withFields := func(object []byte, fields ...any) []byte {
		return edit(t, object, func(pod map[string]any) { pod["metadata"].(map[string]any)["managedFields"] = fields })
	}
	managed := func(ops []Op) (paths []string) {
		for _, op := range ops {
			if op.Path == "/metadata/managedFields" {
				paths = append(paths, op.Op)
			}
		}
		return paths
	}
	live := created(t, object(t, written))
	old := withFields(live, kubectl("2026-01-01T00:00:00Z"), kubelet)

	t.Run("only the time and with it the order differ", func(t *testing.T) {
		request := withFields(reapplied(t, live), kubelet, kubectl("2026-01-01T00:00:09Z"))
		result, err := Update(request, old, Options{})
		require.NoError(t, err)
		require.Empty(t, result.Errors)
		require.Equal(t, []string{"replace"}, managed(result.Patch))
		last := result.Patch[len(result.Patch)-1]
		want, err := json.Marshal([]any{kubectl("2026-01-01T00:00:00Z"), kubelet})
		require.NoError(t, err)
		got, err := json.Marshal(last.Value)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got))
	})
	t.Run("a new manager is noted", func(t *testing.T) {
		result, err := Update(withFields(reapplied(t, live), kubelet, kubectl("2026-01-01T00:00:00Z"), other), old, Options{})
		require.NoError(t, err)
		require.Empty(t, managed(result.Patch))
	})
	t.Run("a change is noted", func(t *testing.T) {
		request := edit(t, withFields(reapplied(t, live), kubelet, kubectl("2026-01-01T00:00:09Z")), func(pod map[string]any) {
			meta(pod, "labels")["app"] = "other"
		})
		result, err := Update(request, old, Options{})
		require.NoError(t, err)
		require.NotEmpty(t, result.Patch)
		require.Empty(t, managed(result.Patch))
	})
	t.Run("fields that we don't know count", func(t *testing.T) {
		request := edit(t, withFields(reapplied(t, live), kubelet, kubectl("2026-01-01T00:00:09Z")), func(pod map[string]any) {
			container(pod, "containers", 0)["fieldOfTheFuture"] = true
		})
		result, err := Update(request, old, Options{})
		require.NoError(t, err)
		require.Empty(t, managed(result.Patch))
	})
}
