//go:build e2e

package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/wire"
)

const (
	// killPods Pods run at the same time, each with killTrials kills within killWindow of an exit.
	killPods   = 4
	killTrials = 50
	killWindow = 50 * time.Millisecond
	// attemptTime is how long each attempt of the application runs.
	attemptTime = 150 * time.Millisecond
	// betweenKills lets the watcher run long enough for its shim to bring it back at once again.
	betweenKills = 1100 * time.Millisecond
	killSeed     = 20261122
)

// A shim decides for its container by itself, so a watcher that is killed around an exit changes
// nothing: every exit is followed by exactly one start, and two attempts never overlap.
func TestNoRestartIsLostOrDoubledWhenTheWatcherIsKilled(t *testing.T) {
	onlyLocal(t)
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		for i := range killPods {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				killWatcherAroundExits(t, shared, killSeed+uint64(i))
			})
		}
	})
}

func killWatcherAroundExits(t *testing.T, shared bool, seed uint64) {
	p := newPod(t, fmt.Sprintf("watcher-killed-%d", seed%killSeed), shared, "-run="+attemptTime.String(), "-exit=42").
		rules(restartAtOnce(42)).create(t)
	p.waitStarts("app", 1)
	pod := p.waitPhase(corev1.PodRunning)
	random := rand.New(rand.NewPCG(seed, 0))
	var kills []int64
	watcher, near := 0, 0
	for near < killTrials {
		require.Less(t, len(kills), 3*killTrials, "too few of the kills came near an exit: the machine is too busy")
		var at int64
		at, watcher = killAroundAnExit(t, string(pod.UID), random, watcher)
		kills = append(kills, at)
		if len(kills) >= killTrials {
			near = nearExits(kills, p.events("app"))
		}
	}
	events := p.events("app")
	checkAlternation(t, events)
	after := p.get()
	require.Equal(t, status(pod, "app").ContainerID, status(after, "app").ContainerID)
	require.Zero(t, status(after, api.WatcherContainer).RestartCount, "its shim brought the watcher back every time")
	t.Logf("seed %d: watcher killed %d times, %d of them within %v of an exit; %d attempts, none lost, none doubled",
		seed, len(kills), near, killWindow, starts(events))
}

// killAroundAnExit kills the watcher up to killWindow before or after the next exit of the
// application, and returns when, and whom.
func killAroundAnExit(t *testing.T, uid string, random *rand.Rand, before int) (at int64, watcher int) {
	t.Helper()
	offset := time.Duration(random.Int64N(int64(2*killWindow))) - killWindow
	time.Sleep(betweenKills)
	watcher = findWatcher(t, uid, before)
	for {
		last := lastEvent(t, "app")
		at := last.At + int64(attemptTime+offset)
		if last.Event == "start" && at > wire.Now() {
			time.Sleep(time.Duration(at - wire.Now()))
			require.NoError(t, syscall.Kill(watcher, syscall.SIGKILL))
			return wire.Now(), watcher
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// lastEvent reads the end of a record, which may be long.
func lastEvent(t *testing.T, container string) (last event) {
	t.Helper()
	file, err := os.Open(filepath.Join(records, t.Name(), container))
	require.NoError(t, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(t, err)
	tail := make([]byte, min(info.Size(), 512))
	_, err = file.ReadAt(tail, info.Size()-int64(len(tail)))
	require.NoError(t, err)
	lines := bytes.Split(tail, []byte("\n"))
	require.NoError(t, json.Unmarshal(lines[len(lines)-2], &last)) // the last is empty or half
	return last
}

// findWatcher finds the Pod's watcher process on the node, waiting until there is one, and not the one
// that was killed before.
func findWatcher(t *testing.T, uid string, not int) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
		require.NoError(t, err)
		for _, path := range commands {
			command, err := os.ReadFile(path)
			if err != nil || !bytes.HasPrefix(command, []byte("/watcher\x00serve")) {
				continue
			}
			cgroup, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cgroup"))
			if err == nil && bytes.Contains(cgroup, []byte(uid)) {
				pid, err = strconv.Atoi(filepath.Base(filepath.Dir(path)))
				require.NoError(t, err)
				return pid != not
			}
		}
		return false
	}, patience, lookAgain, "the watcher comes back")
	return pid
}

// nearExits counts the kills that came within killWindow of an exit.
func nearExits(kills []int64, events []event) (near int) {
	for _, kill := range kills {
		for _, e := range events {
			if e.Event == "end" && time.Duration(kill-e.At).Abs() <= killWindow {
				near++
				break
			}
		}
	}
	return near
}

// checkAlternation checks that every attempt ended before the next began, and that each had one.
func checkAlternation(t *testing.T, events []event) {
	t.Helper()
	for i, e := range events {
		want := "start"
		if i%2 == 1 {
			want = "end"
		}
		require.Equal(t, want, e.Event, "event %d of %d", i, len(events))
		if i > 0 {
			require.GreaterOrEqual(t, e.At, events[i-1].At, "event %d overlaps the one before", i)
		}
		if e.Event == "end" {
			require.Equal(t, 42, e.Code)
			require.Equal(t, events[i-1].PID, e.PID)
		}
	}
}
