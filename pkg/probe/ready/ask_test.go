package ready

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAsk(t *testing.T) {
	r, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Serve(ctx) }()
	address := r.Address().String()
	require.EqualError(t, Ask(address), "not ready: starting")
	r.Set("")
	require.NoError(t, Ask(address))
	r.Set("container trainer waits to start again")
	require.EqualError(t, Ask(address), "not ready: container trainer waits to start again")
	cancel()
	<-done
	require.ErrorContains(t, Ask(address), "ask for readiness: ")
}

func TestAskWhatIsNoResponder(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("hello\n"))
			_ = c.(*net.TCPConn).CloseWrite()
			buffer := make([]byte, 100)
			_, _ = c.Read(buffer)
			_ = c.Close()
		}
	}()
	require.ErrorContains(t, Ask(listener.Addr().String()), "not ready: ")
}
