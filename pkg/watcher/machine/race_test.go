//go:build race

package machine

// The race detector makes it ten times slower, and there is only the test's own concurrency to look at.
const slower = 50
