package workload

import (
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
)

// FuzzUpdate: whatever is there and is requested, a patch can be applied, and what it makes is left
// alone by the next request.
func FuzzUpdate(f *testing.F) {
	plain := text(f, deployment(template(container("app", ""))))
	native := text(f, deployment(template(container("app", rules42))))
	f.Add(native, plain)
	f.Add(native, text(f, deployment(lifted(lifted42))))
	f.Add(text(f, deployment(with(template(container("app", rules43)), api.LiftedRulesAnnotation, lifted42))), text(f, deployment(lifted(lifted42))))
	k := kind(f, "apps/v1", "Deployment")
	f.Fuzz(func(t *testing.T, requested, old []byte) {
		result, err := Update(requested, old, k, inject.Options{})
		if err != nil {
			return
		}
		if len(result.Errors) > 0 {
			require.Empty(t, result.Patch)
			return
		}
		patch, err := jsonpatch.DecodePatch(text(t, append([]inject.Op{}, result.Patch...)))
		require.NoError(t, err)
		patched, err := patch.Apply(requested)
		require.NoError(t, err)
		result, err = Update(patched, patched, k, inject.Options{})
		require.NoError(t, err)
		require.Empty(t, result.Errors)
	})
}
