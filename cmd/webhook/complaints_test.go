package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/util/flowcontrol"
)

// TestComplaintsAreFew: a flood of them is counted, not logged.
func TestComplaintsAreFew(t *testing.T) {
	var out bytes.Buffer
	c := newComplaints(logr.FromSlogHandler(slog.NewTextHandler(&out, nil)))
	for range 100 * complaintBurst {
		n, err := fmt.Fprintln(c, "http: TLS handshake error from 10.0.0.1:4711: EOF")
		require.NoError(t, err)
		require.Equal(t, len("http: TLS handshake error from 10.0.0.1:4711: EOF\n"), n)
	}
	require.Less(t, strings.Count(out.String(), "\n"), 2*complaintBurst)
	require.Contains(t, out.String(), "10.0.0.1:4711: EOF")

	c.limit = flowcontrol.NewFakeAlwaysRateLimiter()
	c.left.Store(7)
	out.Reset()
	fmt.Fprintln(c, "one more")
	fmt.Fprintln(c, "and one")
	require.Contains(t, out.String(), `msg="one more" notLogged=7`)
	require.NotContains(t, strings.Split(out.String(), "\n")[1], "notLogged")
}
