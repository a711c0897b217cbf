// Package check tests `kubectl restartrules check` and `explain POD` on a cluster: each way to break an installation is
// found, by its own code, and nothing else is.
package check
