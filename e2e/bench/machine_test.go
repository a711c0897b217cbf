//go:build e2e

package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"restartrules.dev/e2e/bench/results"
)

const (
	// idleEnough is how much of the processors a machine at rest leaves idle, a settled cluster on it.
	idleEnough = 0.85
	// idleFor is how long that must have been so.
	idleFor = 4 * time.Second
)

// ticks is what the processors did since the machine's start.
type ticks struct{ idle, stolen, all int }

func processorTicks(t *testing.T) (now ticks) {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:] {
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		switch i {
		case 3, 4: // idle and iowait
			now.idle += n
		case 7:
			now.stolen += n
		case 8, 9: // guests' time is in user time already
			continue
		}
		now.all += n
	}
	return now
}

// processorTime is what a process has used of the processors so far, by the kernel's clock of it.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel's include/linux/posix-timers.h, which glibc's clock_getcpuclockid asks for
	var now unix.Timespec
	assert.NoError(t, unix.ClockGettime(int32(^pid<<3|scheduled), &now)) // on any goroutine
	return time.Duration(now.Nano())
}

// settle waits until the machine is at rest, as long as it may, and returns the share of the processors that was used
// all the same. What a cluster that was just booted does in its first half minute takes the processors for 10 ms and
// more at a time, which says nothing about restarts.
func settle(t *testing.T, longest time.Duration) (busy float64) {
	t.Helper()
	began, quiet := time.Now(), time.Duration(0)
	before := processorTicks(t)
	for {
		const step = 2 * time.Second
		time.Sleep(step)
		now := processorTicks(t)
		idle := float64(now.idle-before.idle) / float64(now.all-before.all)
		before = now
		if quiet += step; idle < idleEnough {
			quiet = 0
		}
		if quiet >= idleFor || quiet >= longest {
			return 1 - idle
		}
		if time.Since(began) > longest {
			t.Logf("NOT at rest within %s: something else is at work on this machine, take the figures for what they are", longest)
			return 1 - idle
		}
	}
}

// describe says what this machine is.
func describe(t *testing.T) results.Machine {
	t.Helper()
	m := results.Machine{Processors: runtime.NumCPU(), Go: runtime.Version(), Processor: valueOf(t, "/proc/cpuinfo", "model name"), System: "Linux"}
	kb, err := strconv.Atoi(strings.TrimSuffix(valueOf(t, "/proc/meminfo", "MemTotal"), " kB"))
	require.NoError(t, err)
	m.MemoryMB = kb / 1024
	if name := valueOf(t, "/etc/os-release", "PRETTY_NAME"); name != "" {
		m.System = strings.Trim(name, `"`)
	}
	var name unix.Utsname
	require.NoError(t, unix.Uname(&name))
	m.Kernel = unix.ByteSliceToString(name.Release[:])
	return m
}

// valueOf is what stands behind the first key of that name in a file of keys and values; empty: nothing.
func valueOf(t *testing.T, path, key string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return ""
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
		if name, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
