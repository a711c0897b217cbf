package manifests

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// TestPermissions: SECURITY.md lists everything that any of the manifests grants, and nothing else.
func TestPermissions(t *testing.T) {
	granted := []string{}
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
			var role rbacv1.ClusterRole // a Role has the same fields
			if err := yaml.Unmarshal(document, &role); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			where := "everywhere"
			switch {
			case role.Kind == "Role":
				where = "`" + role.Namespace + "`"
			case role.Kind != "ClusterRole":
				continue
			case role.Name == "restartrules-pull-secrets":
				where = "where you bind it"
			}
			for _, r := range role.Rules {
				granted = append(granted, row(filepath.Dir(path), where, r))
			}
		}
		return nil
	}))
	slices.Sort(granted)
	text, err := os.ReadFile(filepath.Join("..", "SECURITY.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "\n| manifests | where | what | verbs |\n| --- | --- | --- | --- |\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	require.Equal(t, granted, strings.Split(table, "\n"))
}

func row(dir, where string, r rbacv1.PolicyRule) string {
	var what []string
	for _, resource := range r.Resources {
		if group := strings.Join(r.APIGroups, ","); group != "" {
			resource += "." + group
		}
		what = append(what, "`"+resource+"`")
	}
	text := strings.Join(what, ", ")
	if len(r.ResourceNames) > 0 {
		text += " named `" + strings.Join(r.ResourceNames, "`, `") + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", dir, where, text, strings.Join(r.Verbs, ", "))
}
