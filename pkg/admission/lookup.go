package admission

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"time"

	"restartrules.dev/pkg/inject"
)

// Images finds what images run, for a Pod of the namespace with these imagePullSecrets.
type Images interface {
	// Known gives what is known, at once.
	Known(namespace string, pullSecrets []string, image string) (found inject.Found, known bool)
	// LookUp asks registries. It returns before the context ends, with an answer for each image.
	LookUp(ctx context.Context, namespace string, pullSecrets, images []string) map[string]inject.Found
}

// UseImages has the entry points of images looked up where a Pod doesn't say the command of a container that
// needs a shim. It must be called before the first request.
func (h *Webhook) UseImages(i Images) { h.images = i }

// defaultTimeout is the API server's for webhooks without timeoutSeconds.
const defaultTimeout = 10 * time.Second

// waitFor is how long a request may wait for others: three fifths of the time that the API server waits
// for us, which it says in the query. A hundred Pods at once take a second by themselves.
func waitFor(r *http.Request) time.Duration {
	if r.URL.RawQuery == "" {
		return defaultTimeout * 3 / 5
	}
	text, only := strings.CutPrefix(r.URL.RawQuery, "timeout=") // as API servers write it
	if !only || strings.ContainsAny(text, "&;%+") {
		text = r.URL.Query().Get("timeout")
	}
	timeout, err := time.ParseDuration(text)
	if err != nil || timeout <= 0 {
		timeout = defaultTimeout
	}
	return timeout * 3 / 5
}

// withEntryPoints has decide decide, and again with what it wants to know of images if that isn't known.
func (h *Webhook) withEntryPoints(ctx context.Context, req *request, decide func(inject.Options) (inject.Result, error)) (inject.Result, error) {
	options := h.injectOptions(req.Namespace)
	if h.images == nil {
		return decide(options)
	}
	found := map[string]inject.Found{}
	options.EntryPoint = func(pullSecrets []string, image string) (inject.Found, bool) {
		f, ok := found[image]
		if !ok {
			if f, ok = h.images.Known(req.Namespace, pullSecrets, image); ok {
				found[image] = f
			}
		}
		return f, ok
	}
	result, err := decide(options)
	if err != nil || len(result.Lookups) == 0 {
		return result, err
	}
	ctx, cancel := context.WithDeadline(ctx, req.deadline)
	defer cancel()
	maps.Copy(found, h.images.LookUp(ctx, req.Namespace, result.PullSecrets, result.Lookups))
	return decide(options)
}
