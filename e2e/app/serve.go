//go:build linux

package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"restartrules.dev/e2e/record"
)

// What probes look at. Ports are next to each other.
var (
	servePort  = flag.Int("serve", 0, "serve HTTP on this port, gRPC health on the next, accept connections on the one after that, and have the file /tmp/serving")
	serveAfter = flag.String("serve-after", "0s", "when to begin with that after the start, comma-separated as -exit")
	hangAfter  = flag.String("hang-after", "0s", "when to stop serving without an exit, comma-separated as -exit; 0s: never")
)

// serve does what probes look at, and what the flags say of it for this start.
func (a app) serve(starts int) error {
	if *servePort == 0 {
		return nil
	}
	after, err := time.ParseDuration(nth(*serveAfter, starts))
	if err != nil {
		return err
	}
	hang, err := time.ParseDuration(nth(*hangAfter, starts))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(serving); err != nil {
		return err
	}
	go a.serving(after, hang)
	return nil
}

const serving = "/tmp/serving"

func (a app) serving(after, hang time.Duration) {
	time.Sleep(after)
	healthy := health.NewServer()
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, healthy)
	hung := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hung:
			<-r.Context().Done()
		default:
			fmt.Fprintln(w, "ok")
		}
	})
	listen := func(port int, serve func(net.Listener) error) net.Listener {
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(120)
		}
		go func() { fmt.Fprintln(os.Stderr, serve(listener)) }()
		return listener
	}
	listen(*servePort, func(l net.Listener) error { return http.Serve(l, mux) })
	listen(*servePort+1, server.Serve)
	plain := listen(*servePort+2, func(l net.Listener) error {
		for {
			connection, err := l.Accept()
			if err != nil {
				return err
			}
			_ = connection.Close()
		}
	})
	if err := os.WriteFile(serving, nil, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	a.write(record.Event{Event: "serving", At: now()})
	if hang > 0 {
		time.Sleep(hang)
		close(hung)
		healthy.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		_, _ = plain.Close(), os.Remove(serving)
	}
}
