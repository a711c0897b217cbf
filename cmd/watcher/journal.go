//go:build linux

package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/watcher"
	"restartrules.dev/pkg/watcher/journal"
	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// printJournal prints the journal's entries, the oldest first: how long ago, the phase, and what the
// restart is about.
func printJournal(out io.Writer) error {
	entries, err := journal.Read(filepath.Join(api.MountPath, watcher.JournalName))
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	now := wire.Now()
	for _, e := range entries {
		line := fmt.Sprintf("%6d  %12s ago  %-11s restart=%d", e.Seq, time.Duration(now-e.At).Round(time.Microsecond), e.Phase, e.Gen)
		if e.Phase == machine.Replaying {
			line += fmt.Sprintf(" step=%d", e.Step)
		}
		if e.Source >= 0 {
			line += fmt.Sprintf(" source=%d exitCode=%d rule=%d", e.Source, e.Code, e.Rule)
		}
		if e.Why != "" {
			line += fmt.Sprintf(" reason=%q", e.Why)
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}
