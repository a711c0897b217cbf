package watcher

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestNotice: what the kubelet does to a volume is noticed (upstream: pkg/volume/util/atomic_writer.go): a new directory,
// and a link that is renamed to stand for it.
func TestNotice(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "..first"), 0o755))
	require.NoError(t, os.Symlink("..first", filepath.Join(dir, "..data")))
	changes, stop, err := notice(dir)
	require.NoError(t, err)
	defer stop()
	for _, next := range []string{"..second", "..third"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, next), 0o755))
		require.NoError(t, os.Symlink(next, filepath.Join(dir, "..data_tmp")))
		for len(changes) > 0 {
			<-changes
		}
		require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		select {
		case <-changes:
		case <-time.After(time.Minute):
			t.Fatal("the rename was not noticed")
		}
	}
	_, _, err = notice(filepath.Join(dir, "none"))
	require.Error(t, err)
}
