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
	if err := v.prepare(); err != nil {
		return err
	}
	installed := filepath.Join(v.Root, "shim")
	if err := copyBinary(shim, installed); err != nil {
		return fmt.Errorf("install the shim: %w", err)
	}
	for _, container := range v.Containers {
		// One inode for all containers: the kernel keeps one copy of it in memory.
		if err := link(installed, filepath.Join(v.directory(container), "shim")); err != nil {
			return fmt.Errorf("container %q: link the shim: %w", container, err)
		}
	}
	return v.clearMarks()
}

// prepare makes the directories. The watcher and its postStart hook both do: they begin together.
func (v Volume) prepare() error {
	// Containers run as any user, and must reach what is theirs.
	defer syscall.Umask(syscall.Umask(0))
	for _, container := range v.Containers {
		for dir, mode := range map[string]os.FileMode{
			filepath.Join(v.directory(container), "attempt"):  0o755,
			filepath.Join(v.Root, api.AttemptsDir, container): 0o777,
		} {
			if err := os.MkdirAll(dir, mode); err != nil {
				return fmt.Errorf("container %q: %w", container, err)
			}
		}
	}
	return nil
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
