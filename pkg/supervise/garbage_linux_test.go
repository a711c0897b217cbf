package supervise

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/supervise/fixedpath"
	"restartrules.dev/pkg/supervise/spawn"
	"restartrules.dev/pkg/wire"
)

// A restart leaves no garbage: a shim's memory does not grow, and nothing ever has to be collected
// while a process waits to be started.
func TestARestartAllocatesNothing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	command, err := spawn.New([]string{"true"}, os.Environ(), false)
	require.NoError(t, err)
	table := exittable.All(exittable.Step{Action: exittable.Restart, Rule: exittable.Policy})
	s := &supervisor{
		Config:   Config{Container: "app", Dir: dir, Seam: SeamOff, Table: table},
		counter:  exittable.NewCounter(table, nil),
		command:  command,
		stop:     make(chan struct{}),
		link:     &link{fd: -1, queue: make([]wire.Message, 0, queueLength)},
		attempts: newAttemptFile(dir, "app"),
		mark:     fixedpath.New(filepath.Join(dir, wire.MarkName)),
		ownMark:  fixedpath.New(filepath.Join(dir, "attempt", wire.MarkName)),
	}
	var end ended
	attempt := 0
	require.Zero(t, testing.AllocsPerRun(50, func() {
		attempt++
		require.NoError(t, s.attempts.starting(attempt, last{attempt: attempt - 1, reason: reasonCompleted}))
		end = s.attempt(attempt, end)
		require.True(t, s.again(&end))
	}))
}
