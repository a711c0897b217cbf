// Package docs tests the documentation as far as that needs neither an API server nor a cluster.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"restartrules.dev/docs/pages"
)

const root = ".."

func all(t *testing.T) []*pages.Page {
	t.Helper()
	found, err := pages.ReadAll(root)
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

// TestLinks wants every link to a file to lead to one, and every link to a heading to one that is there.
func TestLinks(t *testing.T) {
	anchors := map[string][]string{}
	for _, p := range all(t) {
		anchors[p.Path] = p.Anchors()
	}
	for _, p := range all(t) {
		for _, l := range p.Links() {
			if strings.Contains(l.Target, "://") || strings.HasPrefix(l.Target, "mailto:") {
				continue
			}
			where := fmt.Sprintf("%s:%d: %s", p.Path, l.Line, l.Target)
			file, anchor, _ := strings.Cut(l.Target, "#")
			target := p.Path
			if file != "" {
				target = path.Join(path.Dir(p.Path), file)
			}
			info, err := os.Stat(filepath.Join(root, target))
			require.NoError(t, err, where)
			if anchor != "" {
				require.False(t, info.IsDir(), where)
				require.Contains(t, anchors[target], anchor, where)
			}
		}
	}
}

// TestPagesAreFound wants every page in docs to be in the index.
func TestPagesAreFound(t *testing.T) {
	index, err := os.ReadFile("README.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*.md")
	require.NoError(t, err)
	for _, file := range files {
		if file != "README.md" {
			require.Contains(t, string(index), "("+file, "docs/README.md leads to %s", file)
		}
	}
}

const mostColumns = 120

// TestLines wants lines of text to be short. Tables can't be broken, and what is shown as it is must not be.
func TestLines(t *testing.T) {
	for _, p := range all(t) {
		for i, line := range p.Prose {
			if strings.HasPrefix(strings.TrimSpace(line), "|") {
				continue
			}
			require.LessOrEqual(t, len([]rune(line)), mostColumns, "%s:%d", p.Path, i+1)
		}
	}
}

// TestCommands wants every command of the documentation to be run by something that is there.
func TestCommands(t *testing.T) {
	used := map[pages.Run]bool{}
	targets, tests := makeTargets(t), testFunctions(t)
	for _, p := range all(t) {
		if p.Path == "CHANGELOG.md" || strings.HasPrefix(p.Path, "docs/adr/") {
			continue // records of what was
		}
		for _, c := range p.Commands() {
			where := fmt.Sprintf("%s:%d: %s", c.Page, c.Line, c.Text)
			if run := pages.RunOf(&c); run != nil {
				used[*run] = true
				continue
			}
			if c.IsMention() {
				continue
			}
			if target, found := strings.CutPrefix(c.Text, "make "); found {
				assert.Contains(t, targets, strings.Fields(target)[0], where)
				continue
			}
			t.Errorf("nothing runs it: %s\nput what does into docs/pages/runs.go", where)
		}
	}
	for _, run := range pages.Runs {
		require.True(t, used[run], "no page has the command: %+v", run)
		if target, found := strings.CutPrefix(run.By, "make "); found {
			require.Contains(t, targets, target, "%+v", run)
		} else if run.By != pages.Here {
			require.Contains(t, tests, run.By, "%+v", run)
		}
	}
}

func makeTargets(t *testing.T) (targets []string) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// testFunctions are the names of all tests, whatever their build tags.
func testFunctions(t *testing.T) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
		return err
	}))
	slices.Sort(names)
	return slices.Compact(names)
}
