// Package network performs the probes that need an HTTP or a gRPC client. It is linked by cmd/prober
// only: the watcher has to stay small.
package network

import (
	"strings"

	"restartrules.dev/pkg/probe"
)

// userAgent is what the kubelet says of itself (upstream: pkg/probe/http/request.go, userAgent).
const userAgent = "kube-probe/1.36"

// shorten cuts a message that came from outside to what a reply may have, and makes it UTF-8.
func shorten(message string) string {
	if len(message) > probe.MaxMessage {
		message = message[:probe.MaxMessage]
	}
	return strings.ToValidUTF8(message, "")
}
