//go:build !race

package machine

const slower = 1
