package entrypoint

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"
)

// boundedClient asks a server, for a registry that go-containerregistry takes for one of plain HTTP, and follows
// redirections as long as they go on, as go-containerregistry does.
func boundedClient(t *testing.T, h http.HandlerFunc) (c *http.Client, url string, long *semaphore.Weighted) {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	long = semaphore.NewWeighted(1)
	follow := func(*http.Request, []*http.Request) error { return nil }
	return &http.Client{Transport: newTransport("https", roots, long), CheckRedirect: follow}, "http://" + server.Listener.Addr().String(), long
}

func TestRedirectionsStayEncryptedAndEnd(t *testing.T) {
	asked := 0
	c, url, _ := boundedClient(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path == "/end" {
			_, _ = io.WriteString(w, "here")
			return
		}
		http.Redirect(w, r, map[string]string{"/once": "/end"}[r.URL.Path], http.StatusTemporaryRedirect)
	})
	resp, err := c.Get(url + "/once")
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "here", string(text))

	asked = 0
	_, err = c.Get(url + "/for-ever")
	require.ErrorIs(t, err, tooManyDetours)
	require.Equal(t, 1+maxRedirections, asked)
}

func TestLongAnswers(t *testing.T) {
	c, url, long := boundedClient(t, func(w http.ResponseWriter, r *http.Request) {
		var size int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &size)
		_ = http.NewResponseController(w).Flush() // without a Content-Length
		_, _ = w.Write(bytes.Repeat([]byte("a"), size))
	})
	get := func(ctx context.Context, size int) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/%d", url, size), nil)
		if err != nil {
			return 0, err
		}
		resp, err := c.Do(req)
		if err != nil {
			return 0, err
		}
		text, err := io.ReadAll(resp.Body)
		return len(text), errors.Join(err, resp.Body.Close())
	}
	for _, size := range []int{0, 1, smallBody, smallBody + 1, maxBody} {
		got, err := get(t.Context(), size)
		require.NoError(t, err, size)
		require.Equal(t, size, got)
	}
	_, err := get(t.Context(), maxBody+1)
	require.ErrorIs(t, err, tooLong)

	// What breaks off has not ended.
	broken := &boundedBody{ReadCloser: io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 2*smallBody)), iotest.ErrReader(io.ErrUnexpectedEOF))),
		ctx: t.Context(), long: long}
	text, err := io.ReadAll(broken)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Len(t, text, 2*smallBody)
	require.NoError(t, broken.Close())

	// What is closed takes no place any more.
	body := &boundedBody{ReadCloser: io.NopCloser(bytes.NewReader(nil)), ctx: t.Context(), long: long, read: smallBody}
	require.NoError(t, body.Close())
	_, err = body.Read(make([]byte, 1))
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)

	// While another long answer is read, short ones are read all the same.
	require.True(t, long.TryAcquire(1), "all places were given back")
	_, err = get(t.Context(), smallBody-1)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error, 1)
	go func() { _, err := get(ctx, maxBody); cancelled <- err }()
	cancel()
	require.ErrorIs(t, <-cancelled, context.Canceled)
	long.Release(1)
}
