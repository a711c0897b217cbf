package probe

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := Port(listener.Addr().(*net.TCPAddr).Port)
	probe := func(ctx context.Context, action TCPSocketAction) (Outcome, string) {
		return TCP(ctx, &action, "127.0.0.1", 30*time.Second)
	}

	outcome, message := probe(t.Context(), TCPSocketAction{Port: port})
	require.Equal(t, Success, outcome)
	require.Empty(t, message)
	outcome, _ = probe(t.Context(), TCPSocketAction{Port: port, Host: "127.0.0.1"})
	require.Equal(t, Success, outcome)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	outcome, _ = probe(ended, TCPSocketAction{Port: port})
	require.Equal(t, Unknown, outcome)

	require.NoError(t, listener.Close())
	outcome, message = probe(t.Context(), TCPSocketAction{Port: port})
	require.Equal(t, Failure, outcome)
	require.Contains(t, message, "refused")
	outcome, _ = TCP(t.Context(), &TCPSocketAction{Port: port}, "127.0.0.1", time.Nanosecond)
	require.Equal(t, Failure, outcome, "a timeout is a failure")
}
