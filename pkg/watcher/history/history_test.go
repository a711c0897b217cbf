package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/report"
)

func entry(reason string) *Entry {
	return &Entry{Container: "app", Rule: report.NoRule, Action: report.ActionRestart, Reason: reason,
		Time: time.Date(2026, time.November, 23, 3, 0, 0, 0, time.UTC)}
}

func TestTheLastEntriesAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	entries, err := Read(path)
	require.NoError(t, err)
	require.Empty(t, entries)
	h := Open(path)
	for range 2*Entries + 7 {
		require.NoError(t, h.Add(entry("first")))
	}
	require.NoError(t, h.Close())
	h = Open(path)
	defer h.Close()
	e := entry("goes on")
	require.NoError(t, h.Add(e))
	require.Equal(t, 2*Entries+8, e.ID)
	e.DurationMicros = 5
	require.NoError(t, h.Update(e))
	entries, err = Read(path)
	require.NoError(t, err)
	require.Len(t, entries, Entries)
	require.Equal(t, *e, entries[Entries-1])
	require.Equal(t, Entries+9, entries[0].ID)
}

func TestHalfALineIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	h := Open(path)
	defer h.Close()
	require.NoError(t, h.Add(entry("a")))
	require.NoError(t, h.Add(entry("b")))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), `"reason":"b"`, `"reason":"b `, 1)), 0o644))
	entries, err := Read(path)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "a", entries[0].Reason)
}

func TestALongTextIsCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	h := Open(path)
	defer h.Close()
	require.NoError(t, h.Add(entry(strings.Repeat("\x00ä", 1000))))
	entries, err := Read(path)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestOnlyTheFirstFailureIsTold(t *testing.T) {
	h := Open(filepath.Join(t.TempDir(), "no", "history"))
	require.ErrorContains(t, h.Add(entry("")), "history: ")
	require.NoError(t, h.Add(entry("")))
}

func FuzzParse(f *testing.F) {
	line, err := encode(Entry{ID: 1, Container: "app", Reason: "why"})
	require.NoError(f, err)
	f.Add(line)
	f.Add([]byte(`{"id":1`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, ok := parse(line)
		if !ok {
			return
		}
		if again, err := encode(e); err == nil {
			e2, ok := parse(again)
			require.True(t, ok)
			require.Equal(t, e.ID, e2.ID)
		}
	})
}
