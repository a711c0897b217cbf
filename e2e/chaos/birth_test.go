//go:build e2e

package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/e2e/chaos/tracer"
	"restartrules.dev/pkg/watcher"
)

// birthKills is how many watchers are killed one after the other.
const birthKills = 6

// A watcher that is killed while it starts leaves nothing that keeps the next from it: it is killed in front of each rename,
// and behind it, of the journal that it makes and of the sockets. A restart that is asked for meanwhile takes place once.
func TestWatcherIsKilledAtEveryRename(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		t.Run(map[bool]string{true: "before", false: "after"}[before], func(t *testing.T) {
			t.Parallel()
			p := newPod(t, shape{policy: corev1.RestartPolicyOnFailure})
			p.restart()
			time.Sleep(rest)
			w, err := p.watcher()
			require.NoError(t, err)
			shim, err := p.watcherShim()
			require.NoError(t, err)
			// Each watcher is killed at a rename that none before was killed at.
			seen := map[string]bool{}
			err = p.traced([]int{shim.pid}, true, func(c *tracer.Call) (tracer.Verdict, bool) {
				to, ok := c.Renamed()
				if !ok || c.Entry != before || seen[to] {
					return tracer.Continue, false
				}
				seen[to] = true
				faults.add("watcher killed", filepath.Base(filepath.Dir(to))+"/"+filepath.Base(to)+" renamed, "+map[bool]string{true: "before", false: "after"}[before])
				return tracer.Kill, len(seen) == birthKills
			}, func() error {
				// Without its journal it makes one, as at its first start.
				return errors.Join(os.Remove(filepath.Join(p.volume(), watcher.JournalName)), syscall.Kill(w.pid, syscall.SIGKILL), p.exit(source))
			})
			require.NoError(t, err, "%v\n%s\n%s", seen, p.story(), p.logs())
			require.Contains(t, strings.Join(keys(seen), " "), watcher.JournalName)
			p.restarted()
			p.restart()
			p.checkUntouched()
		})
	}
}

func keys(m map[string]bool) (list []string) {
	for key := range m {
		list = append(list, key)
	}
	return list
}
