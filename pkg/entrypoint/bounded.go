package entrypoint

import (
	"context"
	"io"
	"net/http"

	"golang.org/x/sync/semaphore"
)

// maxBody is the longest answer of a registry that is read, in bytes. Manifests and configurations have some
// KB; what has more than this is not read to its end, whatever it is.
const maxBody = 2 << 20

// smallBody is how much of an answer, in bytes, is read at any time. What is longer, as next to none is, waits for
// one of longAtOnce places: they bound the memory, since each may take some times maxBody.
const (
	smallBody  = 64 << 10
	longAtOnce = 4
)

// maxRedirections is how often in a row a registry may lead elsewhere. The library would follow for ever.
const maxRedirections = 5

// excess is what a registry does too much of.
type excess string

func (e excess) Error() string { return string(e) }

const (
	tooLong        = excess("answered with more than 2 MiB") // maxBody
	tooManyDetours = excess("redirected more than 5 times")  // maxRedirections
	tooBusy        = excess("has a long answer, and others with long answers were read first until the time was up")
)

// bounded has requests go by its scheme, and bounds the answers. The library would fall back to plain HTTP for
// private addresses, with the credentials.
type bounded struct {
	scheme string
	inner  http.RoundTripper
	long   *semaphore.Weighted
}

func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	detours := 0
	for from := req.Response; from != nil; from = from.Request.Response {
		if detours++; detours > maxRedirections {
			return nil, tooManyDetours
		}
	}
	// A redirection may lead elsewhere, but not back to the same host in clear.
	if req.URL.Scheme != b.scheme && (req.Response == nil || req.URL.Host == req.Response.Request.URL.Host) {
		req = req.Clone(req.Context())
		req.URL.Scheme = b.scheme
	}
	resp, err := b.inner.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength > maxBody && req.Method != http.MethodHead {
		_ = resp.Body.Close() // nothing of it is of use
		return nil, tooLong
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, ctx: req.Context(), long: b.long}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	ctx  context.Context // of the request
	long *semaphore.Weighted
	read int
	held bool // one of long
}

func (b *boundedBody) Read(p []byte) (int, error) {
	limit := smallBody
	if b.read >= smallBody {
		if limit = maxBody + 1; b.read >= limit {
			return 0, tooLong
		}
		if !b.held {
			if err := b.long.Acquire(b.ctx, 1); err != nil {
				return 0, tooBusy
			}
			b.held = true
		}
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), limit-b.read)])
	if b.read += n; b.read > maxBody {
		return 0, tooLong
	}
	return n, err
}

func (b *boundedBody) Close() error {
	if b.held {
		b.held = false
		b.long.Release(1)
	}
	return b.ReadCloser.Close()
}
