//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/watcher"
	"restartrules.dev/pkg/watcher/history"
)

// printPaused prints what the Pod's annotation says, and fails before its shims know.
func printPaused(out io.Writer, volume watcher.Volume, p *plan.Plan) error {
	paused, done, err := volume.Paused(p)
	if err != nil {
		return fmt.Errorf("read whether the Pod is paused: %w", err)
	}
	if !done {
		return errors.New("the shims don't know yet whether the Pod is paused")
	}
	_, err = fmt.Fprintln(out, paused)
	return err
}

// printHistory prints the history's entries as lines of JSON, the oldest first.
func printHistory(out io.Writer) error {
	entries, err := history.Read(filepath.Join(api.MountPath, watcher.HistoryName))
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	encoder := json.NewEncoder(out)
	for i := range entries {
		if err := encoder.Encode(entries[i]); err != nil {
			return err
		}
	}
	return nil
}
