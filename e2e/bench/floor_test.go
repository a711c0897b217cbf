//go:build e2e

package bench

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// floorFor is how long the machine itself is measured.
const floorFor = 15 * time.Second

// floor measures what this machine takes to start the smallest program there is and to wait for its end,
// count times one after the other, every 20 ms as in the Pods, with nothing of ours in between. It returns
// milliseconds, sorted. What makes these slow now and then makes restarts slow, too.
func floor(t *testing.T, count int) (millis []float64) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, writePrograms(dir))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	argv := []string{filepath.Join(dir, "init"), filepath.Join(dir, "stamps")}
	for began := time.Now(); time.Since(began) < floorFor; time.Sleep(20 * time.Millisecond) {
		start := time.Now()
		for range count {
			pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{})
			require.NoError(t, err)
			_, err = syscall.Wait4(pid, nil, 0, nil)
			require.NoError(t, err)
		}
		millis = append(millis, float64(time.Since(start).Nanoseconds())/1e6)
	}
	require.NoError(t, os.Remove(argv[1]))
	slices.Sort(millis)
	return millis
}
