package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const pollInterval = 100 * time.Millisecond

// run runs a program to its end and returns what it wrote to stdout. Its stderr goes into the error.
func run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// poll calls ready until it returns no error. It gives up at once when a component has ended.
func poll(ctx context.Context, ready func() error) error {
	for {
		err := ready()
		if err == nil || errors.Is(err, errEnded) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}

// errEnded is for a component that should run and does not: waiting does not help.
var errEnded = errors.New("has ended")

// kubectl runs the cluster's kubectl as administrator.
func (c *Cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	return run(ctx, c.Kubectl(), append([]string{"--kubeconfig=" + c.Kubeconfig(), "--cache-dir=" + c.path("kubectl-cache"), "--request-timeout=5s"}, args...)...)
}

// ctr runs containerd's client.
func (c *Cluster) ctr(ctx context.Context, args ...string) (string, error) {
	return run(ctx, filepath.Join(c.Binaries.Containerd, "ctr"), append([]string{"--address=" + c.socket(), "--namespace=k8s.io"}, args...)...)
}
