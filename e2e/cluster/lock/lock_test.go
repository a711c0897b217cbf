package lock_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/lock"
)

func TestAcquireExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "below", "lock")
	held, err := lock.Acquire(t.Context(), path, io.Discard)
	require.NoError(t, err)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	_, err = lock.Acquire(cancelled, path, &out)
	require.ErrorIs(t, err, context.Canceled)
	require.Contains(t, out.String(), path)

	require.NoError(t, held.Close())
	again, err := lock.Acquire(t.Context(), path, io.Discard)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}
