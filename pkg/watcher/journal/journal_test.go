//go:build linux

package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/watcher/machine"
)

func sample(gen int) *machine.Record {
	return &machine.Record{Phase: machine.Replaying, Gen: gen, Source: 1, Code: 88, Rule: 2, Step: 1, Began: 123, Due: 456, Finished: -1, Delay: 10e9,
		Why: `wanted by "x"` + "\n", Members: []machine.Memory{{Seen: true, Alive: true}, {Seen: true, Over: true, Released: true, Code: 255}, {}}}
}

func open(t *testing.T, path string, id Identity) (*Journal, *machine.Record, bool) {
	t.Helper()
	j, record, void, err := Open(path, id)
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j, record, void
}

func TestTheNewestRecordIsRead(t *testing.T) {
	path, id := filepath.Join(t.TempDir(), "journal"), Identity{"b", "s", 3}
	j, record, void := open(t, path, id)
	require.Nil(t, record)
	require.False(t, void)
	size := func() int64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Size()
	}
	before := size()
	for gen := range 3 * Entries {
		require.NoError(t, j.Write(sample(gen), int64(gen)))
	}
	require.Equal(t, before, size())
	again, record, _ := open(t, path, id)
	require.Equal(t, sample(3*Entries-1), record)
	require.NoError(t, again.Write(sample(9), 1))
	entries, err := Read(path)
	require.NoError(t, err)
	require.Len(t, entries, Entries)
	require.Equal(t, uint64(3*Entries+1), entries[Entries-1].Seq)
	require.Equal(t, 9, entries[Entries-1].Gen)
}

func TestAnotherBootOrSandboxVoidsIt(t *testing.T) {
	for name, other := range map[string]Identity{"boot": {"B", "s", 3}, "sandbox": {"b", "S", 3}, "containers": {"b", "s", 4}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			j, _, _ := open(t, path, Identity{"b", "s", 3})
			require.NoError(t, j.Write(sample(1), 1))
			_, record, void := open(t, path, other)
			require.Nil(t, record)
			require.True(t, void)
			_, record, void = open(t, path, other)
			require.Nil(t, record)
			require.False(t, void)
		})
	}
}

func TestHalfAnEntryDoesNotCount(t *testing.T) {
	path, id := filepath.Join(t.TempDir(), "journal"), Identity{"b", "s", 3}
	j, _, _ := open(t, path, id)
	require.NoError(t, j.Write(sample(1), 1))
	require.NoError(t, j.Write(sample(2), 2))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), "gen=2", "gen=7", 1)), 0o644))
	_, record, _ := open(t, path, id)
	require.Equal(t, sample(1), record)
}

func TestAVolumeThatCantBeWrittenToIsSurvived(t *testing.T) {
	j, record, _, err := Open(filepath.Join(t.TempDir(), "no", "journal"), Identity{"b", "s", 3})
	require.ErrorContains(t, err, "is not resumed")
	require.Nil(t, record)
	require.NoError(t, j.Write(sample(1), 1))
}

func TestLongReasonsAreCut(t *testing.T) {
	r := sample(1)
	r.Why = strings.Repeat("\x00ä", 1000)
	line := appendEntry(nil, Entry{Seq: 1, Record: *r}, entryLength(3))
	require.Len(t, line, entryLength(3))
	_, err := parse(line, 3)
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add(appendEntry(nil, Entry{Seq: 1, Record: *sample(1)}, entryLength(3)))
	f.Add([]byte("restartrules journal"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parse(line, 3)
		if err != nil {
			return
		}
		again, err := parse(appendEntry(nil, e, entryLength(3)), 3)
		require.NoError(t, err)
		e.Why, again.Why = "", "" // may be cut
		require.Equal(t, e, again)
	})
}
