package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocs: docs/codes.md has a heading for each code, in the same order, and no other.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "codes.md"))
	require.NoError(t, err)
	var headings, want []string
	for line := range strings.Lines(string(text)) {
		if heading, is := strings.CutPrefix(strings.TrimSpace(line), "### "); is {
			headings = append(headings, heading)
		}
	}
	for _, c := range Codes {
		want = append(want, c.Code+": "+c.Title)
	}
	require.Equal(t, want, headings)
}
