package admission

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

// What is dealt with at once, in bytes of bodies. Deciding takes up to four times as much memory, and the process has
// 256 MiB by the manifests.
const (
	maxRoom = 32 << 20
	// leastRoom is what a request counts at least, so that not many thousands of small ones are let in.
	leastRoom = 16 << 10
)

// newRoom is room for maxRoom bytes.
func newRoom() *semaphore.Weighted { return semaphore.NewWeighted(maxRoom) }

// enter waits for room, as long as a request may wait, and returns what is to be called when it is done with. The error
// is an *httpError: the API server treats it as a webhook that has failed.
func (h *Webhook) enter(r *http.Request) (leave func(), err error) {
	size := r.ContentLength
	if size < 0 || size > maxBody {
		size = maxBody // more is not read
	}
	size = max(size, leastRoom)
	if !h.room.TryAcquire(size) {
		wait := waitFor(r)
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		if err := h.room.Acquire(ctx, size); err != nil {
			return nil, &httpError{http.StatusServiceUnavailable, fmt.Sprintf(
				"busy: for %s there was no room for this request of %d bytes beside others; apply it again, or run more replicas",
				wait.Round(time.Millisecond), r.ContentLength)}
		}
	}
	return func() { h.room.Release(size) }, nil
}
