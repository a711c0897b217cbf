package supervise_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestNoMoreFiles: a shim that can open nothing waits until it can.
func TestNoMoreFiles(t *testing.T) {
	c := converse(t, []string{member, byCode}, obedient, pipeStdin(t))
	c.do(runs)
	pid := c.cmd.Process.Pid
	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Max: 1024}, nil))
	require.NoError(t, c.connection.Close())
	eventually(t, "it has noticed", func() bool {
		files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
		require.NoError(t, err)
		for _, file := range files {
			if what, err := os.Readlink(file); err == nil && strings.HasPrefix(what, "socket:") {
				return false
			}
		}
		return true
	})
	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1024, Max: 1024}, nil))
	c.accept()
	c.do(`
		< state gen=0 is=running
		stdin 3
		< state is=ended code=3`)
}
