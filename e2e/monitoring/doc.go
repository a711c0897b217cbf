// Package monitoring checks what watches the webhook: that every query of the dashboard and of the alerts is one, that
// there are the metrics that it names, and when which alert fires. It is a module of its own because it links Prometheus.
package monitoring
