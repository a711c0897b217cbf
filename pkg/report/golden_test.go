package report

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden pins the format: what a Pod reports whose trainer has restarted all containers once, and waits for its
// next start.
func TestGolden(t *testing.T) {
	now := time.Date(2026, time.November, 23, 3, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	b := NewBook(map[string]Container{
		"setup-replay": {Counts: "setup", Twin: true}, "trainer": {Counts: "trainer", MaxRestarts: 20},
	}, true, now)
	b.Started("trainer", 1, nil, at(1))
	code := 88
	b.Began(Restart{Container: "trainer", ExitCode: &code, Rule: 1, Action: ActionRestartAll}, 1, 0, at(60))
	b.Enter("Stopping", true, at(60))
	b.Started("setup-replay", 1, nil, at(61))
	b.Started("trainer", 2, nil, at(61))
	b.Finished(1760*time.Microsecond, at(61))
	b.Enter("Running", false, at(61))
	b.Told(1)
	b.Exited("trainer", 2, 10*time.Second, at(90))

	text, err := b.Report(Pod{"research", "train-0", "0f7a"}).Encode()
	require.NoError(t, err)
	golden := filepath.Join("testdata", "report.json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, append(text, '\n'), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(text)+"\n")
	read, err := Decode(want)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"setup": 1, "trainer": 1}, read.Status.Restarts)

	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	require.NoError(t, err)
	require.Contains(t, string(docs), "\n```json\n"+string(want)+"```\n", "docs/protocol.md shows it")
}
