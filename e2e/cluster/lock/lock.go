// Package lock keeps processes of one machine from doing the same thing at the same time.
package lock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const retryInterval = 100 * time.Millisecond

// Acquire takes the exclusive lock of the file at path, which it creates if need be, together with its directory.
// If another process has the lock this is said on out, and Acquire waits until the lock is free or ctx is done.
// The lock ends when the returned file is closed, at the latest when the process ends. The file stays.
func Acquire(ctx context.Context, path string, out io.Writer) (io.Closer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for told := false; ; told = true {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		if !told {
			fmt.Fprintf(out, "waiting for another process that has the lock %s\n", path)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, ctx.Err()), file.Close())
		case <-time.After(retryInterval):
		}
	}
}
