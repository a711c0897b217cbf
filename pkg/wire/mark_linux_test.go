package wire

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMarks(t *testing.T) {
	dir := t.TempDir()
	require.Equal(t, Mark{}, ReadMark(dir))
	require.NoError(t, ClearMark(dir))

	before := Now()
	mark := Mark{Kind: Pod, At: Now()}
	require.NoError(t, WriteMark(dir, mark))
	require.Equal(t, mark, ReadMark(dir))
	require.GreaterOrEqual(t, mark.At, before)

	require.NoError(t, WriteMark(dir, Mark{Kind: Peer, At: 1}))
	require.Equal(t, Mark{Kind: Peer, At: 1}, ReadMark(dir))

	require.NoError(t, ClearMark(dir))
	require.Equal(t, Mark{}, ReadMark(dir))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestNonsenseIsNoMark(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"", "pod", "pod x", "all 5", "pod 99999999999999999999"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, MarkName), []byte(text), 0o644))
		require.Equal(t, Mark{}, ReadMark(dir), text)
	}
}

func FuzzParseMark(f *testing.F) {
	for _, text := range []string{"", "self 1", "pod 18446744073709551616", "peer -1", "pod", "pod  1", "nobody 1"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := ParseMark(b)
		if m == (Mark{}) {
			return
		}
		require.Contains(t, []MarkKind{Self, Pod, Peer}, m.Kind)
		dir := t.TempDir()
		require.NoError(t, WriteMark(dir, m))
		require.Equal(t, m, ReadMark(dir))
	})
}
