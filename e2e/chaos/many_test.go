//go:build e2e

package chaos

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

const (
	manyRestarts = 500
	// warmUp is how many of them may still change what is used.
	warmUp = 100
	// atRest is how long memory is looked at: a watcher that has nothing to do gives back its garbage.
	atRest = 5 * time.Second
	// timed is how many at the beginning and at the end are compared, slower by how much they may be, and how much
	// that has to be for a busy machine not to be the cause.
	timed      = 50
	mayBeSlow  = 1.2
	mattersNot = 300 * time.Microsecond
	// mayGrow is how much PSS may grow, in kB.
	mayGrow = 300
)

// What restarts leave behind does not add up: no memory, files, processes, or bytes in the volume, and the last is as fast as
// the first.
func TestManyRestarts(t *testing.T) {
	p := newPod(t, shape{policy: corev1.RestartPolicyNever})
	early := p.restartUntil(warmUp)
	t.Logf("after %d restarts: %s", warmUp, early)
	late := p.restartUntil(manyRestarts)
	t.Logf("after %d restarts: %s", manyRestarts, late)
	require.Equal(t, early.files, late.files, "file descriptors")
	require.Equal(t, early.processes, late.processes, "processes")
	require.Equal(t, early.bytes, late.bytes, "bytes in the volume")
	require.LessOrEqual(t, late.pss-early.pss, mayGrow, "kB of PSS more")

	took := p.took()
	require.GreaterOrEqual(t, len(took), manyRestarts)
	first, last := median(took[:timed]), median(took[len(took)-timed:])
	t.Logf("restarts took %v (median of the first %d) and %v (median of the last %d)", first, timed, last, timed)
	if slower(first, last) {
		// Others use this machine too, now more and now less. So once more, side by side with a Pod that is at its first.
		fresh := newPod(t, shape{policy: corev1.RestartPolicyNever, suffix: "-fresh"})
		for range timed {
			fresh.restart()
			p.restart()
		}
		took = p.took()
		first, last = median(fresh.took()), median(took[len(took)-timed:])
		t.Logf("side by side: %v (median of the first %d of a fresh Pod) and %v (median of %d more)", first, timed, last, timed)
	}
	require.False(t, slower(first, last), "%v, at first %v", last, first)
	p.checkUntouched()
}

// restartUntil has the Pod restart up to that number, and says what it uses then, at rest.
func (p *pod) restartUntil(number int) use {
	p.Helper()
	for p.restarts < number {
		p.restart()
	}
	return p.use()
}

func slower(first, last time.Duration) bool {
	return float64(last) > mayBeSlow*float64(first) && last-first > mattersNot
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// use is what a Pod uses at rest.
type use struct {
	// files are the file descriptors of the watcher and the shims, pss their memory in kB.
	files, pss int
	// processes are all of the Pod's containers, bytes is what the volume holds.
	processes int
	bytes     int64
	// detail is the PSS of each process.
	detail string
}

func (u use) String() string {
	return fmt.Sprintf("%d file descriptors and %d kB of PSS in watcher and shims (%s), %d processes, %d bytes in the volume",
		u.files, u.pss, strings.TrimSpace(u.detail), u.processes, u.bytes)
}

// use looks until two looks agree about all but memory: a kubelet's probe comes and goes. Memory is the least of a while.
func (p *pod) use() use {
	p.Helper()
	var u use
	began := time.Now()
	require.NoError(p, eventually(p.Context(), "the Pod is at rest", func() error {
		a, err := p.look()
		if err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
		b, err := p.look()
		if err != nil {
			return err
		}
		least := min(a.pss, b.pss)
		if u.processes > 0 {
			least = min(least, u.pss)
		}
		if u = b; u.pss != least {
			u.pss, u.detail = least, ""
		}
		if a.files != b.files || a.processes != b.processes || a.bytes != b.bytes {
			return fmt.Errorf("%s, then %s", a, b)
		}
		if left := atRest - time.Since(began); left > 0 {
			return fmt.Errorf("memory is looked at for another %s", left)
		}
		return nil
	}))
	return u
}

func (p *pod) look() (u use, err error) {
	for _, one := range p.processes() {
		u.processes++
		if !one.isWatcher() && (len(one.args) < 2 || filepath.Base(one.args[0]) != "shim" || one.args[1] != "run") {
			continue
		}
		dir := "/proc/" + strconv.Itoa(one.pid)
		files, err := os.ReadDir(dir + "/fd")
		if err != nil {
			return u, err
		}
		u.files += len(files)
		pss, err := pss(dir + "/smaps_rollup")
		if err != nil {
			return u, err
		}
		u.pss += pss
		name := "watcher"
		if i := slices.IndexFunc(one.args, func(a string) bool { return strings.HasPrefix(a, "--container=") }); i >= 0 {
			name = "shim of " + strings.TrimPrefix(one.args[i], "--container=")
		}
		u.detail += fmt.Sprintf(" %s %d", name, pss)
	}
	err = filepath.WalkDir(p.volume(), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			u.bytes += info.Size()
		}
		return err
	})
	return u, err
}

func pss(rollup string) (kB int, err error) {
	text, err := os.ReadFile(rollup)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			return strconv.Atoi(strings.Fields(value)[0])
		}
	}
	return 0, fmt.Errorf("%s has no Pss", rollup)
}

// took is how long each restart took, by the watcher's log.
func (p *pod) took() (list []time.Duration) {
	p.Helper()
	require.NoError(p, eventually(p.Context(), "the watcher has logged all restarts", func() error {
		text, err := client.CoreV1().Pods(namespace).GetLogs(p.name, &corev1.PodLogOptions{Container: api.WatcherContainer}).DoRaw(p.Context())
		if err != nil {
			return err
		}
		list = nil
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			var line struct {
				Msg    string
				Micros int64
			}
			if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Msg == "restarted all containers in place" {
				list = append(list, time.Duration(line.Micros)*time.Microsecond)
			}
		}
		if len(list) < p.restarts {
			return fmt.Errorf("%d of %d", len(list), p.restarts)
		}
		return lines.Err()
	}))
	return list
}
