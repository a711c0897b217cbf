package probe

import (
	"context"
	"net"
	"strconv"
	"syscall"
	"time"
)

// TCP performs a tcpSocket probe: it succeeds if a connection can be opened within the timeout
// (upstream: pkg/probe/tcp/tcp.go). podIP is the host if the probe has none. The message is the error
// of a failure. If ctx ends first the outcome is Unknown.
func TCP(ctx context.Context, action *TCPSocketAction, podIP string, timeout time.Duration) (Outcome, string) {
	host := action.Host
	if host == "" {
		host = podIP
	}
	d := Dialer()
	d.Timeout = timeout
	connection, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(action.Port))))
	if err != nil {
		if ctx.Err() != nil {
			return Unknown, ctx.Err().Error()
		}
		return Failure, err.Error()
	}
	_ = connection.Close() // that it could be opened is what was asked
	return Success, ""
}

// Dialer makes connections whose sockets wait in TIME-WAIT for one second only: probes open many
// (upstream: pkg/probe/dialer_others.go, ProbeDialer).
func Dialer() *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			// Without it the probe is as good.
			_ = syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: 1})
		})
	}}
}
