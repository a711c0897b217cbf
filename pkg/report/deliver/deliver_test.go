package deliver

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// webhook is one that answers as it is told.
type webhook struct {
	*httptest.Server
	Options

	mu     sync.Mutex
	bodies []string
	tokens []string
	// answer is called for each report, with its number from 1; nil takes all.
	answer func(w http.ResponseWriter, n int)
}

func newWebhook(t *testing.T) *webhook {
	t.Helper()
	h := &webhook{}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(h.take))
	h.Config.ErrorLog = log.New(io.Discard, "", 0) // who doesn't trust it
	h.StartTLS()
	t.Cleanup(h.Close)
	dir := t.TempDir()
	h.Options = Options{URL: h.Server.URL + "/report", TokenFile: filepath.Join(dir, "token"), CAFile: filepath.Join(dir, "ca.crt")}
	put(t, h.TokenFile, "secret\n")
	put(t, h.CAFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})))
	return h
}

func put(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func (h *webhook) take(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	h.bodies = append(h.bodies, string(body))
	h.tokens = append(h.tokens, r.Header.Get("Authorization"))
	n := len(h.bodies)
	h.mu.Unlock()
	if h.answer != nil {
		h.answer(w, n)
	}
}

func (h *webhook) serve(t *testing.T, in string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Serve(t.Context(), strings.NewReader(in), &out, h.Options)
	return out.String(), err
}

func TestServe(t *testing.T) {
	h := newWebhook(t)
	h.answer = func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusAccepted) }
	out, err := h.serve(t, `7 {"a":1}`+"\n")
	require.NoError(t, err)
	require.Equal(t, "7\n", out)
	require.Equal(t, []string{`{"a":1}`}, h.bodies)
	require.Equal(t, []string{"Bearer secret"}, h.tokens)

	out, err = h.serve(t, "")
	require.NoError(t, err)
	require.Empty(t, out)

	_, err = h.serve(t, "no number\n")
	require.EqualError(t, err, `expected a number, a space and a document, got a line that begins with "no number"`)
}

// TestRetries: what fails is tried again, with the token that is there then, and what is the latest then.
func TestRetries(t *testing.T) {
	h := newWebhook(t)
	in, feed := io.Pipe()
	h.answer = func(w http.ResponseWriter, n int) {
		if n > 2 {
			return
		}
		put(t, h.TokenFile, fmt.Sprintf("secret %d", n+1))
		if n == 2 {
			_, _ = io.WriteString(feed, "2 second\n")
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		http.Error(w, "who is it?", http.StatusUnauthorized)
	}
	var out bytes.Buffer
	done := make(chan error)
	go func() { done <- Serve(t.Context(), in, &out, h.Options) }()
	_, err := io.WriteString(feed, "1 first\n")
	require.NoError(t, err)
	require.NoError(t, <-done, "nothing more comes for a while")
	require.NoError(t, feed.Close())
	require.Equal(t, "2\n", out.String())
	require.Equal(t, []string{"first", "first", "second"}, h.bodies)
	require.Equal(t, []string{"Bearer secret", "Bearer secret 2", "Bearer secret 3"}, h.tokens)
}

func TestRefused(t *testing.T) {
	h := newWebhook(t)
	h.answer = func(w http.ResponseWriter, _ int) { http.Error(w, "of another Pod", http.StatusForbidden) }
	out, err := h.serve(t, "1 report\n")
	require.EqualError(t, err, "the webhook answered 403 Forbidden: of another Pod")
	require.Empty(t, out)
	require.Len(t, h.bodies, 1, "it would be refused again")
}

func TestRedirected(t *testing.T) {
	h := newWebhook(t)
	h.answer = func(w http.ResponseWriter, _ int) {
		w.Header().Set("Location", h.Server.URL+"/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := h.post(ctx, []byte("report"))
	require.ErrorContains(t, err, "the webhook answered 307")
	require.Len(t, h.bodies, 1, "the token goes nowhere else")
}

// TestErrors: they say what is wrong, and nothing of the token.
func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, h *webhook)
		says   string
	}{
		"no token":        {func(t *testing.T, h *webhook) { require.NoError(t, os.Remove(h.TokenFile)) }, "read the Pod's token"},
		"no certificates": {func(t *testing.T, h *webhook) { require.NoError(t, os.Remove(h.CAFile)) }, "read the certificates to trust, which are published to namespaces that opted in"},
		"none in it":      {func(t *testing.T, h *webhook) { put(t, h.CAFile, "x") }, "holds no certificate"},
		"another's": {func(t *testing.T, h *webhook) {
			h.Options.URL = strings.Replace(h.Options.URL, "127.0.0.1", "localhost", 1)
		}, "certificate is valid for"},
		"nobody there": {func(_ *testing.T, h *webhook) { h.Close() }, "connection refused"},
		"a busy one": {func(_ *testing.T, h *webhook) {
			h.answer = func(w http.ResponseWriter, _ int) { http.Error(w, "later", http.StatusServiceUnavailable) }
		}, "the webhook answered 503 Service Unavailable: later"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newWebhook(t)
			test.change(t, h)
			err := h.post(t.Context(), []byte("report"))
			require.ErrorContains(t, err, test.says)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

// TestEnd: a context that ends ends it.
func TestEnd(t *testing.T) {
	h := newWebhook(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.answer = func(w http.ResponseWriter, _ int) {
		cancel()
		http.Error(w, "later", http.StatusServiceUnavailable)
	}
	require.Error(t, Serve(ctx, strings.NewReader("1 report\n"), io.Discard, h.Options))
}

func FuzzInbox(f *testing.F) {
	f.Add([]byte("1 report\n2 another\n"))
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := &inbox{news: make(chan struct{}, 1), over: make(chan struct{})}
		b.read(bytes.NewReader(text))
		if _, document := b.take(); document != nil {
			require.NotContains(t, string(document), "\n")
		}
	})
}
