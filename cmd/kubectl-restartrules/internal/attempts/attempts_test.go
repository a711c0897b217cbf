package attempts

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// logOf is a log with a second between its lines.
func logOf(t testing.TB, text string) []Line {
	t.Helper()
	at := time.Date(2026, time.November, 23, 3, 0, 0, 5e6, time.UTC)
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(at.Format(time.RFC3339Nano) + " " + line)
		at = at.Add(time.Second)
	}
	lines, err := Read(strings.NewReader(b.String()))
	require.NoError(t, err)
	return lines
}

const crashes = `loading
step 1
restartrules: container=trainer attempt=1 exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=2 wait=0s
loading
Traceback: out of luckrestartrules: container=trainer attempt=2 exitCode=88 rule=restartPolicyRules[1] action=RestartAllContainers nextAttempt=3
restartrules: container=trainer attempt=3 exitCode=143 reason=RestartingAllContainers action=RestartAllContainers nextAttempt=4
loading
restartrules: container=trainer: the Pod is paused: no rule acts on exit code 42, the Pod's restartPolicy does
`

func texts(a Attempt) (list []string) {
	for _, l := range a.Lines {
		list = append(list, l.Text)
	}
	return list
}

func TestCut(t *testing.T) {
	list := Join(true, Cut(logOf(t, crashes), "trainer"))
	require.Len(t, list, 4)
	require.Equal(t, []string{"loading", "step 1"}, texts(list[0]))
	require.Equal(t, []string{"loading", "Traceback: out of luck"}, texts(list[1]), "the application had not ended its line")
	require.Empty(t, list[2].Lines)
	require.Len(t, list[3].Lines, 2)
	require.Nil(t, list[3].Ended)
	require.Equal(t, 88, list[1].Ended.ExitCode)
	require.Equal(t, "RestartingAllContainers", list[2].Ended.Reason)

	var out bytes.Buffer
	require.NoError(t, Table(&out, list))
	golden := filepath.Join("testdata", "list.txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
	docs, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "cli.md"))
	require.NoError(t, err)
	require.Contains(t, string(docs), "\n```\n"+out.String()+"```\n", "docs/cli.md shows it")
}

func TestFollow(t *testing.T) {
	var said []string
	log := "2026-11-23T03:00:00.5Z old\n2026-11-23T03:00:01Z new\n2026-11-23T03:00:02Z lastrestartrules: container=app attempt=2 exitCode=1 rule=restartPolicy action=Restart nextAttempt=3 wait=10s\n2026-11-23T03:00:03Z next\n"
	after := time.Date(2026, time.November, 23, 3, 0, 0, 5e8, time.UTC)
	pass := func(l Line) { said = append(said, l.Text) }
	require.NoError(t, Follow(strings.NewReader(log), "app", after, pass))
	require.Equal(t, []string{"new", "last"}, said)
	said = nil
	require.NoError(t, Follow(strings.NewReader(log), "peer", after, pass))
	require.Len(t, said, 3, "the log ends")
}

func TestJSONSeams(t *testing.T) {
	list := Cut(logOf(t, `a
{"logger":"restartrules","container":"app","attempt":7,"exitCode":1,"rule":"restartPolicy","action":"Restart","nextAttempt":8,"waitSeconds":10}
b
`), "app")
	require.Len(t, list, 2)
	require.Equal(t, 7, list[0].Number)
	require.Equal(t, 8, list[1].Number)
	require.Equal(t, []string{"b"}, texts(list[1]))
}

// What an application writes is not taken for a seam: of another container, with other numbers, or not quite one.
func TestWhatOnlyLooksLikeASeam(t *testing.T) {
	seam := func(attempt int) string {
		return fmt.Sprintf("restartrules: container=app attempt=%d exitCode=1 rule=restartPolicy action=Restart nextAttempt=%d wait=0s", attempt, attempt+1)
	}
	for name, line := range map[string]string{
		"another container's": strings.Replace(seam(2), "=app", "=peer", 1),
		"a number too high":   seam(900),
		"one of before":       seam(1),
		"nothing follows":     strings.Replace(seam(2), "nextAttempt=3", "nextAttempt=9", 1),
		"quoted":              `"` + seam(2) + `"`,
		"an exit code":        strings.Replace(seam(2), "exitCode=1", "exitCode=256", 1),
		"JSON":                `{"logger":"restartrules","container":"app","attempt":`,
	} {
		t.Run(name, func(t *testing.T) {
			list := Cut(logOf(t, "a\n"+seam(1)+"\nb\n"+line+"\nc\n"+seam(2)+"\n"+"d\n"+seam(3)+"\ne\n"), "app")
			require.Len(t, list, 4)
			require.Equal(t, []string{"b", line, "c"}, texts(list[1]))
		})
	}
}

func TestFind(t *testing.T) {
	previous := Cut(logOf(t, crashes), "trainer")
	list := Join(true, previous, Cut(logOf(t, "again\n"), "trainer"))
	for which, want := range map[int]int{0: 5, -1: 4, -4: 1, 1: 1, 4: 4, 5: 5} {
		at, err := Find(list, which)
		require.NoError(t, err)
		require.Equal(t, want, list[at].Number, which)
	}
	for which, want := range map[int]string{
		-5: "the log has 5 attempts, the oldest of them is -4: what is older is gone, or was never",
		6:  "the log has no attempt 6, but 1 to 5",
	} {
		_, err := Find(list, which)
		require.EqualError(t, err, want)
	}
	rotated := Join(false, Cut(logOf(t, "x\n"), "trainer"))
	require.Zero(t, rotated[0].Number)
	_, err := Find(rotated, 3)
	require.EqualError(t, err, "the log doesn't say which attempt it is of; 0 is the last")
}

// FuzzCut: no log makes it fail, no line is lost but seams, and the attempts' numbers ascend.
func FuzzCut(f *testing.F) {
	f.Add(crashes)
	f.Add("restartrules: container=trainer attempt=99999999999999999999 exitCode=1 rule=restartPolicy action=Restart nextAttempt=1\n")
	f.Add(`{"logger":"restartrules","container":"trainer","attempt":1,"exitCode":1,"action":"Restart","nextAttempt":2}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := Read(strings.NewReader(text))
		require.NoError(t, err)
		list := Cut(lines, "trainer")
		n := len(list) - 1
		for i := range list {
			n += len(list[i].Lines)
			if i > 0 {
				require.Greater(t, list[i].Number, list[i-1].Number)
			}
			if s := list[i].Ended; s != nil && i > 0 && list[i].Number != s.Attempt {
				require.Fail(t, "number")
			}
		}
		require.GreaterOrEqual(t, n, len(lines))
	})
}
