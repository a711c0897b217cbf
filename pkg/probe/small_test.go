package probe

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the watcher links must not pull in what package network is for: it would triple the watcher.
func TestWatcherStaysSmall(t *testing.T) {
	for _, dir := range []string{".", "client", "ready"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			require.NoError(t, err)
			for _, imported := range file.Imports {
				path, err := strconv.Unquote(imported.Path.Value)
				require.NoError(t, err)
				standard := !strings.Contains(strings.Split(path, "/")[0], ".")
				require.True(t, standard && !strings.HasPrefix(path, "net/") && !strings.HasPrefix(path, "crypto/") || path == "restartrules.dev/pkg/probe",
					"%s imports %s", name, path)
			}
		}
	}
}
