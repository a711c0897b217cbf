package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"restartrules.dev/docs/pages"
)

var (
	// between is what ends a command in a line.
	between = regexp.MustCompile(`\s(\||&&|;|>)\s`)
	// word is what a shell takes for one.
	word = regexp.MustCompile(`(?:"[^"]*"|'[^']*'|[^\s"'])+`)
	// alternatives are what a synopsis has that nobody types.
	alternatives = strings.NewReplacer("[", " ", "]", " ", "(", " ", ")", " ", " | ", " ")
)

// taken is whether the plugin takes what is typed behind its name, as far as that can be told without doing it. Of a
// synopsis, and of what a sentence only mentions, it has the flags.
func taken(text string, whole bool) error {
	text, _, _ = strings.Cut(text, "  #")
	if !whole {
		text = alternatives.Replace(text)
	}
	words := word.FindAllString(strings.ReplaceAll(text, "\\\n", " "), -1)
	for i := range words {
		words[i] = strings.NewReplacer(`"`, "", "'", "").Replace(words[i])
	}
	cmd, args, err := newCommand().Find(words)
	if err != nil {
		return err
	}
	if !cmd.HasParent() {
		return fmt.Errorf("%q is no command", text)
	}
	if !whole {
		for _, arg := range args {
			name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			long := strings.HasPrefix(arg, "--") && cmd.Flags().Lookup(name) != nil
			short := strings.HasPrefix(arg, "-") && len(name) == 1 && cmd.Flags().ShorthandLookup(name) != nil
			if strings.HasPrefix(arg, "-") && arg != "-" && !long && !short {
				return fmt.Errorf("%s has no flag %s", cmd.Name(), arg)
			}
		}
		return nil
	}
	if err := cmd.ParseFlags(args); err != nil {
		return err
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	return cmd.ValidateFlagGroups()
}

// TestDocumentedCommandsAreTaken: what the documentation has anybody type is what the plugin takes, with these flags.
func TestDocumentedCommandsAreTaken(t *testing.T) {
	all, err := pages.ReadAll("../..")
	require.NoError(t, err)
	found := 0
	for _, page := range all {
		if strings.HasPrefix(page.Path, "docs/adr/") || page.Path == "CHANGELOG.md" {
			continue // records of what was
		}
		for _, c := range page.Commands() {
			_, text, ours := strings.Cut(c.Text, "kubectl restartrules ")
			if !ours || strings.HasPrefix(text, "__complete") {
				continue
			}
			found++
			whole := !c.IsMention() && !strings.ContainsAny(text, "[(")
			if whole {
				text = between.Split(text, 2)[0]
			}
			assert.NoError(t, taken(text, whole), "%s:%d: %s", c.Page, c.Line, c.Text)
		}
	}
	require.Greater(t, found, 50)
}

// TestExamplesAreTaken: so is what --help shows.
func TestExamplesAreTaken(t *testing.T) {
	root := newCommand()
	for _, cmd := range append(root.Commands(), root) {
		for line := range strings.Lines(cmd.Example) {
			_, text, ours := strings.Cut(strings.TrimSpace(line), "kubectl restartrules ")
			require.True(t, ours, line)
			assert.NoError(t, taken(between.Split(text, 2)[0], true), line)
		}
	}
}

func TestTaken(t *testing.T) {
	for _, text := range []string{"nothing", "status --nothing", "status -o nothing", "restart", "restart a b", "restart a --all -c b", ""} {
		require.Error(t, taken(text, true), text)
	}
	for _, text := range []string{"restart POD [--nothing]", "status -x"} {
		require.Error(t, taken(text, false), text)
	}
	require.NoError(t, taken(`restart a --all --reason "new data"    # why`, true))
	require.NoError(t, taken("restart POD (--container NAME | --all) [--reason TEXT]", false))
}
