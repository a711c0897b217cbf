//go:build linux

package journal

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/watcher/machine"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden pins the format: a watcher of a later release reads what one of an earlier release left.
func TestGolden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	id := Identity{"b", "s", 3}
	j, _, _ := open(t, path, id)
	for gen, phase := range []machine.Phase{machine.Stopping, machine.Replaying} {
		r := sample(gen + 1)
		r.Phase = phase
		require.NoError(t, j.Write(r, int64(1000*(gen+1))))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := ""
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			lines += line + "\n"
		}
	}
	golden := filepath.Join("testdata", "journal.txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(lines), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), lines)

	docs, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "protocol.md"))
	require.NoError(t, err)
	require.Contains(t, string(docs), "\n```\n"+lines+"```\n", "docs/protocol.md shows it")
}
