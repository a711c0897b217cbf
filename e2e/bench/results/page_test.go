package results

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// made is a section and what was measured of it.
func made(goal float64) ([]Section, *Set) {
	p := Part{Name: "part", Command: "make bench ROWS=part", Began: time.Unix(0, 0), Took: time.Minute,
		Machine: Machine{Processor: "abacus", Processors: 2, MemoryMB: 1024, Kernel: "6.1", System: "Debian", Go: "go1.26"}}
	p.Add("own", upTo(9)...)
	p.Add("other", 50, 50, 50)
	p.Miss("gone", "not installed")
	return []Section{{Title: "Speed", About: "How fast.", PlotName: "speed", Plot: Plot{Title: "Speed", Rows: []PlotRow{{"own", "own", true}}},
		Rows: []Row{
			{What: "thing", Unit: "ms", Series: "own", Anchor: "other", AnchorName: "another", Goals: []Goal{{Of: Median, AtMost: goal, Profile: "It waits."}, {Of: Factor, AtLeast: 9, Profile: "Never said."}}},
			{What: "lost", Unit: "ms", Series: "gone/by"},
		}}}, &Set{Parts: []Part{p}}
}

// TestPage: what was missed stands at the top, with how far off; what could not be measured says why.
func TestPage(t *testing.T) {
	sections, set := made(4)
	page := Page(set, sections, []Extra{{Section: "Speed", Text: "More.\n", Missed: []string{"a prediction"}}}, "images")
	top, rest, found := strings.Cut(page, "\n## Machine\n")
	require.True(t, found)
	require.Contains(t, top, "**Missed:**\n\n- Speed: thing: median ≤ 4, measured 5 ms: 1.25 times as much. It waits.\n- a prediction\n")
	require.Contains(t, top, "**Not measured:**\n\n- Speed: lost: not installed\n")
	require.Contains(t, rest, "2 × abacus")
	require.Contains(t, rest, "| thing | 9 | 5 ms (2–8) |")
	require.Contains(t, rest, "| 3 | 50 ms | 10 (")
	require.Contains(t, rest, "![Speed](images/speed.svg)")
	require.Contains(t, rest, "\nMore.\n")
	for line := range strings.Lines(page) {
		require.True(t, strings.HasPrefix(line, "|") || len([]rune(line)) <= 121, line)
	}

	sections, set = made(5)
	sections[0].Rows = sections[0].Rows[:1]
	require.Contains(t, Page(set, sections, nil, "images"), "\nAll goals were reached.\n")
}

func TestPartsAreKept(t *testing.T) {
	_, set := made(5)
	dir := t.TempDir()
	require.NoError(t, set.Parts[0].Save(dir))
	loaded, err := Load(dir)
	require.NoError(t, err)
	loaded[0].Began = loaded[0].Began.Local()
	require.Equal(t, set.Parts, loaded)
	none, err := Load(dir + "/none")
	require.NoError(t, err)
	require.Empty(t, none)
}

// TestCatalogue: rows are of series of their own, or say what else they hold them against.
func TestCatalogue(t *testing.T) {
	has := map[string]bool{}
	for _, s := range Sections() {
		require.NotEmpty(t, s.Rows, s.Title)
		for _, r := range s.Rows {
			key := r.Series + " against " + r.Anchor
			require.False(t, has[key], key)
			has[key] = true
			for _, g := range r.Goals {
				require.NotEqual(t, g.AtMost > 0 || g.AtLeast == 0, g.AtLeast > 0, "%s: %v", r.What, g)
			}
		}
	}
}
