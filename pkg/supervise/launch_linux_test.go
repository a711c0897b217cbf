package supervise

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The stop signal may come when the command has ended and the next start is decided, but not done.
func TestToldToStopBetweenTwoAttempts(t *testing.T) {
	s := &supervisor{stopSignal: syscall.SIGTERM}
	end := s.attempt(2, ended{attempt: 1, code: 42})
	require.Equal(t, 42, end.code, "the code with which the command ended")

	end = s.attempt(1, ended{})
	require.Equal(t, 143, end.code, "as if it had been started and had died of the signal")
}
