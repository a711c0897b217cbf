//go:build integration

package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"restartrules.dev/docs/pages"
)

// TestManifestsOfTheDocumentation: what the documentation shows and what is in examples is taken by an API server, with our
// webhook behind it.
func TestManifestsOfTheDocumentation(t *testing.T) {
	root := filepath.Join("..", "..")
	all, err := pages.ReadAll(root)
	require.NoError(t, err)
	namespace := optedIn(t)
	taken := 0
	take := func(t *testing.T, where string, text []byte) {
		taken++
		out, err := kubectl(text, "create", "--dry-run=server", "--namespace="+namespace, "--validate=strict", "-f", "-")
		require.NoError(t, err, "%s: %s", where, out)
	}
	for _, p := range all {
		snippets, err := p.Snippets()
		require.NoError(t, err)
		for _, s := range snippets {
			switch s.Is {
			case pages.Manifest:
			case pages.PartOfPod:
				if whole(s.Object) == nil {
					continue
				}
			default:
				continue
			}
			text, err := yaml.Marshal(s.Object)
			require.NoError(t, err)
			take(t, fmt.Sprintf("%s:%d", s.Page, s.Line), text)
		}
	}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "examples"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		take(t, path, bytes.ReplaceAll(text, []byte("\r"), nil))
		return nil
	}))
	require.Greater(t, taken, 10)
}

// whole makes the part of a Pod whole; nil if something in it is only hinted at.
func whole(pod object) object {
	text, err := yaml.Marshal(pod)
	if err != nil || strings.Contains(string(text), "…") {
		return nil
	}
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	metadata, _ := pod["metadata"].(object)
	if metadata == nil {
		metadata = object{}
	}
	metadata["name"] = "of-the-documentation"
	pod["metadata"] = metadata
	spec, _ := pod["spec"].(object)
	if spec == nil {
		spec = object{"initContainers": []any{object{"name": "setup", "command": []any{"setup"}}}, "containers": []any{object{"name": "trainer", "command": []any{"trainer"}}}}
	}
	for _, kind := range []string{"initContainers", "containers"} {
		list, _ := spec[kind].([]any)
		for _, c := range list {
			if container := c.(object); container["image"] == nil {
				container["image"] = "busybox:stable"
			}
		}
	}
	pod["spec"] = spec
	return pod
}
