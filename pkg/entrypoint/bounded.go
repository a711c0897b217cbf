package entrypoint

import (
	"context"
	"io"
	"net/http"
	"sync"

	"golang.org/x/sync/semaphore"
)

// maxBody is the longest answer of a registry that is read, in bytes. Manifests and configurations have some
// KB; what has more than this is not read to its end, whatever it is.
const maxBody = 2 << 20

// smallBody is how much of an answer, in bytes, is read at any time. What is longer, as next to none is, waits for
// one of longAtOnce places, which bound the memory.
const (
	smallBody  = 64 << 10
	longAtOnce = 4
)

// rests are for what of long answers is behind smallBody, and one byte more. The library reads into ever larger buffers,
// which would all be garbage when an answer turns out to be too long: so that is found out before it gets any of it.
var rests = sync.Pool{New: func() any { return new([maxBody - smallBody + 1]byte) }}

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
	read int // of the first smallBody bytes
	// Of a long one, which has one of the places: what is left to give, and what to say then.
	place *[maxBody - smallBody + 1]byte
	rest  []byte
	end   error
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.place == nil && b.end != nil {
		return 0, b.end // it is closed
	}
	if b.read < smallBody {
		n, err := b.ReadCloser.Read(p[:min(len(p), smallBody-b.read)])
		b.read += n
		return n, err
	}
	if b.place == nil {
		if err := b.long.Acquire(b.ctx, 1); err != nil {
			return 0, tooBusy
		}
		b.place = rests.Get().(*[maxBody - smallBody + 1]byte)
		b.readRest()
	}
	n := copy(p, b.rest)
	if b.rest = b.rest[n:]; len(b.rest) == 0 {
		return n, b.end
	}
	return n, nil
}

// readRest reads all behind the first smallBody bytes. An answer that breaks off is none that has ended.
func (b *boundedBody) readRest() {
	for n := 0; n < len(b.place); {
		more, err := b.ReadCloser.Read(b.place[n:])
		n += more
		if err != nil {
			b.rest, b.end = b.place[:n], err
			return
		}
	}
	b.end = tooLong
}

func (b *boundedBody) Close() error {
	if b.place != nil {
		rests.Put(b.place)
		b.place, b.rest = nil, nil
		b.long.Release(1)
	}
	b.end = http.ErrBodyReadAfterClose
	return b.ReadCloser.Close()
}
