package main

import (
	"bytes"
	"sync/atomic"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/flowcontrol"
)

// Of complaints so many are logged in a second, and so many at once.
const (
	complaintsPerSecond = 1
	complaintBurst      = 10
)

// complaints are what net/http says of its clients, through package log. Whoever reaches the port can cause a line with
// each connection, so most are only counted when many come.
type complaints struct {
	log   logr.Logger
	limit flowcontrol.PassiveRateLimiter
	// left is how many were not logged since the last that was.
	left atomic.Int64
}

func newComplaints(log logr.Logger) *complaints {
	return &complaints{log: log, limit: flowcontrol.NewTokenBucketPassiveRateLimiter(complaintsPerSecond, complaintBurst)}
}

// Write logs a line, or counts it.
func (c *complaints) Write(line []byte) (int, error) {
	if !c.limit.TryAccept() {
		c.left.Add(1)
		return len(line), nil
	}
	log := c.log
	if left := c.left.Swap(0); left > 0 {
		log = log.WithValues("notLogged", left)
	}
	log.Info(string(bytes.TrimSpace(line)))
	return len(line), nil
}
