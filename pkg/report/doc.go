// Package report is what a watcher tells the webhook of its Pod, and the keeping of it. The watcher links
// it, so it imports nothing of Kubernetes. Below it: outbox, the watcher's end of the reporter; deliver, what
// the reporter does; receive and write, the webhook's end; and trust, by which the reporter knows the webhook.
package report
