package wire

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPausedFiles(t *testing.T) {
	dir := t.TempDir()
	require.Equal(t, NotPaused, ReadPaused(dir))
	require.NoError(t, WritePaused(dir, NotPaused))
	for _, p := range []Paused{PausedAlways, PausedOnFailure, PausedEnd} {
		require.NoError(t, WritePaused(dir, p))
		require.Equal(t, p, ReadPaused(dir))
		text, err := os.ReadFile(filepath.Join(dir, PausedName))
		require.NoError(t, err)
		require.Less(t, len(text), PausedLength)
	}
	require.NoError(t, WritePaused(dir, NotPaused))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestRestartsWhilePaused(t *testing.T) {
	for p, want := range map[Paused][2]bool{NotPaused: {}, PausedEnd: {}, PausedOnFailure: {false, true}, PausedAlways: {true, true}} {
		require.Equal(t, want, [2]bool{p.Restarts(0), p.Restarts(42)}, p)
	}
}

func FuzzParsePaused(f *testing.F) {
	for _, text := range []string{"", "Always", "OnFailure", "End", "true", "Always\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p := ParsePaused(b); p != NotPaused {
			require.Equal(t, string(b), string(p))
		}
	})
}
