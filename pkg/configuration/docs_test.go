package configuration

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// TestDocumentation: the file in docs/configuration.md is the default, with every field; the other can be read.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	var files [][]byte
	for _, block := range bytes.Split(page, []byte("```yaml\n"))[1:] {
		text, _, _ := bytes.Cut(block, []byte("```"))
		if bytes.Contains(text, []byte("kind: "+Kind)) {
			files = append(files, text)
		}
	}
	require.Len(t, files, 2)
	for _, text := range files {
		_, err := Parse(text)
		require.NoError(t, err)
	}

	var said map[string]any
	require.NoError(t, yaml.UnmarshalStrict(files[0], &said))
	requireFields(t, reflect.TypeFor[Configuration](), said, "")
	documented, err := Parse(files[0])
	require.NoError(t, err)
	require.Equal(t, Default().Options()("any"), withoutEmpty(documented).Options()("any"))
	require.Equal(t, Default().Mode, documented.Mode)
}

// withoutEmpty has nil where the page shows that nothing is in a list.
func withoutEmpty(c *Configuration) *Configuration {
	c.Pods.Labels, c.Pods.Annotations = nil, nil
	return c
}

// requireFields wants the document to have a key for each field of the type.
func requireFields(t *testing.T, of reflect.Type, document map[string]any, path string) {
	t.Helper()
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			requireFields(t, field.Type, document, path)
			continue
		}
		require.Contains(t, document, name, "%s", path)
		if below, ok := document[name].(map[string]any); ok && field.Type.Kind() == reflect.Struct {
			requireFields(t, field.Type, below, path+name+".")
		}
	}
}
