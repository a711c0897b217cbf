package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"restartrules.dev/docs/pages"
	"restartrules.dev/pkg/configuration"
	"restartrules.dev/pkg/manifest"
)

// TestSnippets wants every part of a manifest to be one: no field that its type doesn't have. Whole manifests are for an
// API server to judge, in e2e/integration.
func TestSnippets(t *testing.T) {
	seen := map[pages.Claim]int{}
	for _, p := range all(t) {
		snippets, err := p.Snippets()
		require.NoError(t, err)
		for _, s := range snippets {
			seen[s.Is]++
			text, err := yaml.Marshal(s.Object)
			require.NoError(t, err)
			switch s.Is {
			case pages.PartOfPod:
				require.NoError(t, yaml.UnmarshalStrict(text, &corev1.Pod{}), "%s:%d", s.Page, s.Line)
			case pages.PartOfContainer:
				require.NoError(t, yaml.UnmarshalStrict(text, &corev1.Container{}), "%s:%d", s.Page, s.Line)
			case pages.Rules:
				_, errs := manifest.ParseDocument(string(text))
				require.Empty(t, errs, "%s:%d", s.Page, s.Line)
			case pages.Configuration:
				_, err := configuration.Parse(text)
				require.NoError(t, err, "%s:%d", s.Page, s.Line)
			case pages.Kustomization:
				for _, key := range []string{"resources", "components"} {
					list, _ := s.Object[key].([]any)
					for _, path := range list {
						exists(t, &s, path.(string))
					}
				}
			}
		}
		for i := range p.Blocks {
			b := &p.Blocks[i]
			require.False(t, b.Language == "" && strings.HasPrefix(b.Text(), "apiVersion:"), "%s:%d: a manifest in a block that isn't yaml", p.Path, b.Line)
		}
	}
	require.NotZero(t, seen[pages.PartOfPod])
	require.NotZero(t, seen[pages.Kustomization])
}

// exists wants what a kustomization names to be there: overlays of the user's own are beside ours, or in the repository's
// root.
func exists(t *testing.T, s *pages.Snippet, path string) {
	t.Helper()
	if strings.Contains(path, "://") || !strings.HasPrefix(path, "../") {
		return // a file of the user's own
	}
	_, rest, _ := strings.Cut(path, "../")
	rest = strings.TrimPrefix(strings.ReplaceAll(rest, "../", ""), "manifests/")
	for _, dir := range []string{"", "overlays"} {
		if _, err := os.Stat(filepath.Join(root, "manifests", dir, rest)); err == nil {
			return
		}
	}
	require.Fail(t, "no such directory", "%s:%d: %s", s.Page, s.Line, path)
}
