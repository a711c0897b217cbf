package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"restartrules.dev/pkg/probe"
)

// GRPC performs a grpc probe: it succeeds if the health service of the Pod says SERVING
// (upstream: pkg/probe/grpc/grpc.go).
func GRPC(ctx context.Context, action *probe.GRPCAction, podIP string, timeout time.Duration) (probe.Outcome, string) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	address := net.JoinHostPort(podIP, strconv.Itoa(int(action.Port)))
	connection, err := connect(limited, address)
	if err != nil {
		if ctx.Err() != nil {
			return probe.Unknown, ctx.Err().Error()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return probe.Failure, fmt.Sprintf("timeout: failed to connect service %q within %v: %v", address, timeout, err)
		}
		return probe.Failure, fmt.Sprintf("error: failed to connect service at %q: %v", address, err)
	}
	defer connection.Close()
	health := grpc_health_v1.NewHealthClient(connection)
	response, err := health.Check(limited, &grpc_health_v1.HealthCheckRequest{Service: action.Service})
	if err != nil {
		if ctx.Err() != nil {
			return probe.Unknown, ctx.Err().Error()
		}
		switch s := status.Convert(err); s.Code() {
		case codes.Unimplemented:
			return probe.Failure, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " + s.Message()
		case codes.DeadlineExceeded:
			return probe.Failure, fmt.Sprintf("timeout: health rpc did not complete within %v", timeout)
		default:
			return probe.Failure, fmt.Sprintf("error: health rpc probe failed: %v", err)
		}
	}
	if s := response.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		return probe.Failure, fmt.Sprintf("service unhealthy (responded with %q)", s)
	}
	return probe.Success, ""
}

// connect waits until the connection is there, trying again until ctx ends, as the deprecated
// grpc.WithBlock does, which the kubelet uses: a server that comes up within the timeout passes.
func connect(ctx context.Context, address string) (*grpc.ClientConn, error) {
	connection, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithUserAgent(userAgent),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return probe.Dialer().DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		return nil, err
	}
	connection.Connect()
	for {
		state := connection.GetState()
		if state == connectivity.Ready {
			return connection, nil
		}
		if state == connectivity.Idle {
			connection.Connect()
		}
		if !connection.WaitForStateChange(ctx, state) {
			_ = connection.Close()
			return nil, ctx.Err()
		}
	}
}
