package watcher

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"restartrules.dev/pkg/api"
)

// Install puts the shim into the volume, with a directory for each wrapped container, and clears
// marks of an earlier life. It may run again at any time beside running shims: what they have open
// stays as it is.
func (v Volume) Install(shim string) error {
	// Containers run as any user, and must reach what is theirs.
	defer syscall.Umask(syscall.Umask(0))

	installed := filepath.Join(v.Root, "shim")
	if err := copyBinary(shim, installed); err != nil {
		return fmt.Errorf("install the shim: %w", err)
	}
	for _, container := range v.Containers {
		dir := v.directory(container)
		attempts := filepath.Join(v.Root, api.AttemptsDir, container)
		if err := os.MkdirAll(filepath.Join(dir, "attempt"), 0o755); err != nil {
			return fmt.Errorf("container %q: %w", container, err)
		}
		if err := os.MkdirAll(attempts, 0o777); err != nil {
			return fmt.Errorf("container %q: %w", container, err)
		}
		// One inode for all containers: the kernel keeps one copy of it in memory.
		if err := link(installed, filepath.Join(dir, "shim")); err != nil {
			return fmt.Errorf("container %q: link the shim: %w", container, err)
		}
	}
	return v.clearMarks()
}

// copyBinary makes target an executable copy of source, whole or not at all. A running binary can't
// be written to, so it is replaced, and only if it differs.
func copyBinary(source, target string) error {
	want, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(target); err == nil && bytes.Equal(have, want) {
		return os.Chmod(target, 0o555)
	}
	temporary := target + ".new"
	if err := os.Remove(temporary); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.WriteFile(temporary, want, 0o555); err != nil {
		return err
	}
	return os.Rename(temporary, target)
}

// link makes target a hard link to source, replacing what was there.
func link(source, target string) error {
	from, err := os.Stat(source)
	if err != nil {
		return err
	}
	if to, err := os.Stat(target); err == nil && os.SameFile(from, to) {
		return nil
	}
	temporary := target + ".new"
	if err := os.Remove(temporary); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Link(source, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, target)
}
