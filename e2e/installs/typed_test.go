//go:build e2e

package installs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/docs/pages"
	"restartrules.dev/e2e/testcluster"
)

// documented are the commands in the blocks of a section of a page, without what is said in the midst of sentences.
func documented(t *testing.T, path, section string) (commands []string) {
	t.Helper()
	page, err := pages.Read(root, path)
	require.NoError(t, err)
	for _, command := range page.Commands() {
		if command.Section == section && !command.Inline {
			commands = append(commands, command.Text)
		}
	}
	require.NotEmpty(t, commands, "%s: %s", path, section)
	return commands
}

// typed types commands into a shell of the repository's directory, one after the other. What they write goes elsewhere.
func typed(t *testing.T, c *testcluster.Cluster, commands []string) {
	t.Helper()
	absolute, err := filepath.Abs(root)
	require.NoError(t, err)
	directory := t.TempDir()
	for _, name := range []string{"manifests", "charts"} {
		require.NoError(t, os.Symlink(filepath.Join(absolute, name), filepath.Join(directory, name)))
	}
	for _, command := range commands {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), testcluster.Patience)
		cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
		cmd.Dir = directory
		cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "PATH="+filepath.Dir(c.Kubectl)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		cancel()
		require.NoError(t, err, "%s\n%s", command, out)
	}
}

// TestWaysAreDocumented: what TestInstalls types is what README.md and docs/operations.md say, and they say nothing else.
func TestWaysAreDocumented(t *testing.T) {
	said := map[string][]string{}
	for page, sections := range map[string][]string{"README.md": {"Install it"}, "docs/operations.md": {"Install", "Remove"}} {
		for _, section := range sections {
			for _, command := range documented(t, page, section) {
				said[normal(command)] = append(said[normal(command)], page)
			}
		}
	}
	tested := map[string]bool{}
	for _, w := range ways {
		for _, args := range [][]string{w.install, w.remove} {
			tool := "kubectl"
			if w.helm {
				tool = "helm"
			}
			tested[normal(tool+" "+strings.Join(args, " "))] = true
		}
	}
	for command := range tested {
		require.Contains(t, said, command, "it is tested, and no page says it")
	}
	for command, on := range said {
		if strings.Contains(command, "overlays/self-signed") || strings.Contains(command, "overlays/ha") {
			continue // what make demo installs; the other two in one
		}
		if strings.HasPrefix(command, "helm ") || strings.HasPrefix(command, "kubectl apply") || strings.HasPrefix(command, "kubectl delete -k") {
			require.Contains(t, tested, command, "%v says it, and it is not tested", on)
		}
	}
}

// normal is a command with its options in one order, and their values behind "=".
func normal(command string) string {
	words := strings.Fields(command)
	var arguments, options []string
	for i := 0; i < len(words); i++ {
		switch {
		case words[i] == "--set" && i+1 < len(words):
			options = append(options, words[i]+"="+words[i+1])
			i++
		case strings.HasPrefix(words[i], "--"):
			options = append(options, words[i])
		default:
			arguments = append(arguments, words[i])
		}
	}
	slices.Sort(options)
	return strings.Join(append(arguments, options...), " ")
}
