package pages

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "# A page, `code` & more\n" + `
Text with a [link](other.md#there), ` + "`[none](here)`" + ` and a span ` + "`kubectl get pods`" + `, a [broken
link](broken.md).

- item

    in the item: kubectl get nodes

## A page, code & more

    kubectl get pod \
      trainer                  # now

    restartPolicyRules:

` + "```console\n$ kubectl get pod\nNAME\n\n$ jq .\n```\n" + `
| table | ` + "`kubectl get pod \\| jq .`" + ` |
`

func TestParse(t *testing.T) {
	p, err := Parse("docs/a.md", page)
	require.NoError(t, err)
	require.Equal(t, []Link{{3, "other.md#there"}, {3, "broken.md"}}, p.Links())
	require.Equal(t, []string{"a-page-code--more", "a-page-code--more-1"}, p.Anchors())
	require.Len(t, p.Blocks, 2)
	require.Equal(t, "kubectl get pod \\\n  trainer                  # now\n\nrestartPolicyRules:\n", p.Blocks[0].Text())
	const section = "A page, code & more"
	require.Equal(t, []Command{
		{Page: "docs/a.md", Line: 12, Section: section, Text: "kubectl get pod \\\n  trainer"},
		{Page: "docs/a.md", Line: 18, Section: section, Text: "kubectl get pod", Shown: []string{"NAME", ""}},
		{Page: "docs/a.md", Line: 21, Section: section, Text: "jq ."},
		{Page: "docs/a.md", Line: 3, Section: "A page, `code` & more", Text: "kubectl get pods", Inline: true},
		{Page: "docs/a.md", Line: 24, Section: section, Text: "kubectl get pod | jq .", Inline: true},
	}, p.Commands())
}

func TestParseRefusesABlockWithoutAnEnd(t *testing.T) {
	_, err := Parse("a.md", "```yaml\na: b\n")
	require.EqualError(t, err, "a.md:1: the block has no end")
}
