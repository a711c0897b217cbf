// Package probe runs the livenessProbe and the startupProbe of containers that restart in place: the
// kubelet does not see such a restart, and would go on as if the command had been started long ago.
// Parameters, defaults and meaning are the kubelet's (upstream: pkg/kubelet/prober and pkg/probe).
//
// Spec is a probe, Worker says when a container's probes run and what follows from their outcomes, TCP
// performs a tcpSocket probe. Exec probes are run by the container's shim. What httpGet and grpc probes
// need is linked by package network only, a binary of its own (cmd/prober); package client talks to it.
package probe
